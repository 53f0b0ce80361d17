import { byId } from './dom.js'
import { submitAsJson } from './form.js'
import { storePendingEmail } from './pending-email.js'

submitAsJson(byId('sign-up', HTMLFormElement), (_result, { email }) => {
  storePendingEmail(email)
  location.assign('/whisper/mail')
})
