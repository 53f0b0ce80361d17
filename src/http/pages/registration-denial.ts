import { form } from './form.ts'
import { html } from './html.ts'
import type { Page } from './layout.ts'

/**
 * Lets the owner of an email address deny a registration that was not theirs. Only the button does so, since mail scanners open
 * links too.
 */
export function denyRegistrationPage(token: string): Page {
  return {
    title: 'This was not me',
    main: html`<h1>Was this not you?</h1>
<p>Someone registered an account with your email address and set a password. If it was not you, remove the password. This ends all
sessions of the account.</p>
${form({
  id: 'deny-registration',
  action: `/api/v1/user/register/deny/${encodeURIComponent(token)}/`,
  fields: [],
  button: 'This was not me',
})}`,
  }
}

/** Confirms that the registration was denied. */
export function registrationDeniedPage(): Page {
  return {
    title: 'The password was removed',
    main: html`<h1>The password was removed</h1>
<p>The account has no password, sessions or other sign-in methods any more. To use it yourself, sign up with your email address.</p>
<a class="button wide" href="/whisper">Go to the start page</a>`,
  }
}
