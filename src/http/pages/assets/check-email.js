import { byId, find } from './dom.js'
import { submitAsJson } from './form.js'
import { pendingEmail, storePendingEmail } from './pending-email.js'

const form = byId('request-email', HTMLFormElement)
const sent = byId('sent', HTMLElement)

showSent()
submitAsJson(form, (_result, { email }) => {
  storePendingEmail(email)
  showSent()
  sent.focus()
})

function showSent() {
  const email = pendingEmail()
  if (!email) return
  byId('address', HTMLElement).textContent = email
  find(form, 'input', HTMLInputElement).value = email
  sent.hidden = false
  byId('missing', HTMLElement).hidden = false
  byId('unsent', HTMLElement).hidden = true
  const button = find(form, 'button', HTMLButtonElement)
  button.textContent = 'Send another email'
  button.classList.remove('primary')
}
