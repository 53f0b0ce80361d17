import { rememberAddress } from './address.js'
import { byId } from './dom.js'
import { whenTaken } from './form.js'

whenTaken(byId('sign-up', HTMLFormElement), (_answer, { email }) => {
  rememberAddress(email)
  location.assign('/whisper/mail')
})
