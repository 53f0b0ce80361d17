import { knownAddress, rememberAddress } from './address.js'
import { byId, find } from './dom.js'
import { whenTaken } from './form.js'

const form = byId('ask-again', HTMLFormElement)
const sent = byId('sent', HTMLElement)

showSent()
whenTaken(form, (_answer, { email }) => {
  rememberAddress(email)
  showSent()
  sent.focus()
})

function showSent() {
  const email = knownAddress()
  if (!email) return
  byId('address', HTMLElement).textContent = email
  find(form, 'input', HTMLInputElement).value = email
  sent.hidden = false
  byId('missing', HTMLElement).hidden = false
  byId('unsent', HTMLElement).hidden = true
  const button = find(form, 'button', HTMLButtonElement)
  button.textContent = 'Send another letter'
  button.classList.remove('primary')
}
