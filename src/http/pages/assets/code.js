import { byId } from './dom.js'
import { submitAsJson } from './form.js'

const input = byId('otp_token', HTMLInputElement)
const toggle = byId('recovery', HTMLButtonElement)

submitAsJson(byId('code', HTMLFormElement), () => location.assign(returnUrl()))

toggle.addEventListener('click', () => {
  const isRecovery = toggle.ariaPressed !== 'true'
  toggle.ariaPressed = String(isRecovery)
  input.inputMode = isRecovery ? 'text' : 'numeric'
  input.autocomplete = isRecovery ? 'off' : 'one-time-code'
  byId('otp_token-hint', HTMLElement).textContent = isRecovery
    ? 'One of the codes you saved when you set up your authenticator. Each works once.'
    : 'Six digits from your authenticator app.'
  input.value = ''
  input.focus()
})

/** The page that asked for the sign-in, if it is on this site. */
function returnUrl() {
  const next = new URLSearchParams(location.search).get('next') ?? '/whisper'
  const url = new URL(next, location.origin)
  return url.origin === location.origin ? url.href : '/whisper'
}
