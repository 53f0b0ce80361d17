import { byId, find } from './dom.js'
import { whenTaken } from './form.js'

const form = byId('verify-email', HTMLFormElement)
whenTaken(form, () => location.replace('/whisper/two-factor'))

// A link that is used or too old will not get better.
const alert = find(form, '[role=alert]', HTMLElement)
new MutationObserver(() => {
  byId('another', HTMLElement).hidden = alert.hidden
}).observe(alert, { attributes: true })
