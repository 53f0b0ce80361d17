import { byId, find } from './dom.js'
import { submitAsJson } from './form.js'

const form = byId('verify-email', HTMLFormElement)
submitAsJson(form, () => location.replace('/whisper/two-factor'))

// A used or expired link needs a new email.
const alert = find(form, '[role=alert]', HTMLElement)
new MutationObserver(() => {
  byId('another', HTMLElement).hidden = alert.hidden
}).observe(alert, { attributes: true })
