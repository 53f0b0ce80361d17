import { byId } from './dom.js'
import { whenTaken } from './form.js'

const input = byId('otp_token', HTMLInputElement)
const toggle = byId('recovery', HTMLButtonElement)

whenTaken(byId('code', HTMLFormElement), () => location.assign(cameFor()))

toggle.addEventListener('click', () => {
  const isRecovery = toggle.ariaPressed !== 'true'
  toggle.ariaPressed = String(isRecovery)
  input.inputMode = isRecovery ? 'text' : 'numeric'
  input.autocomplete = isRecovery ? 'off' : 'one-time-code'
  byId('otp_token-hint', HTMLElement).textContent = isRecovery
    ? 'One of the codes you kept when you set up your authenticator. It works once.'
    : 'Six digits, from your authenticator app.'
  input.value = ''
  input.focus()
})

/** The page one was on the way to, if it is one of ours. */
function cameFor() {
  const next = new URLSearchParams(location.search).get('next') ?? '/whisper'
  const url = new URL(next, location.origin)
  return url.origin === location.origin ? url.href : '/whisper'
}
