import { form, steps } from './form.ts'
import { type Html, html } from './html.ts'
import type { Page } from './layout.ts'

/** What making an account consists of. */
export const STEPS = ['Address', 'Letter', 'Authenticator'] as const

/** What the pages for signing in and up depend on. */
export interface DoorOptions {
  /** Whether one can sign in with Google. */
  google: boolean
  /** The query that leads back to the page one came for, or nothing. */
  query: string
}

const EMAIL = {
  name: 'email',
  label: 'Email address',
  type: 'email',
  autocomplete: 'email',
  maxlength: 160,
} as const

/** Where one signs in: the first of two steps. */
export function signInPage({ google, query }: DoorOptions): Page {
  return {
    title: 'Sign in',
    script: 'sign-in.js',
    main: html`<div class="lead">
<h1>Sign in</h1>
<p class="quiet">No password: your address, then a code from your authenticator app.</p>
</div>
${form({ id: 'sign-in', action: '/api/v1/user/login/', fields: [EMAIL], button: 'Continue' })}
${google && googleButton()}
<p>New here? <a href="/whisper/sign-up${query}">Create an account</a></p>`,
  }
}

/** Where one asks for an account. */
export function signUpPage({ google, query }: DoorOptions): Page {
  const username = {
    name: 'username',
    label: 'Name (optional)',
    hint: 'What others see: 3 to 120 characters. Without one, a name is made up for you.',
    autocomplete: 'username',
    maxlength: 120,
    optional: true,
  }
  return {
    title: 'Create an account',
    script: 'sign-up.js',
    main: html`${steps(STEPS, 1)}
<div class="lead">
<h1>Create an account</h1>
<p class="quiet">You need an email address and an authenticator app. There is no password to remember.</p>
</div>
${form({ id: 'sign-up', action: '/api/v1/user/register/', fields: [EMAIL, username], button: 'Create account' })}
${google && googleButton()}
<p>Have an account? <a href="/whisper/sign-in${query}">Sign in</a></p>`,
  }
}

/** What comes after asking for a letter, and where another one is asked for. */
export function mailPage({ hasMailbox }: { hasMailbox: boolean }): Page {
  return {
    title: 'Look in your mail',
    script: 'mail.js',
    main: html`${steps(STEPS, 2)}
<div class="lead">
<h1>Look in your mail</h1>
<p id="sent" tabindex="-1" hidden>If there is an account for <b id="address"></b> that is not set up yet, a letter is on its way. Its link
is good for 10 minutes.</p>
<p id="unsent">Your address, and a letter will show you the way on.</p>
</div>
${
  hasMailbox &&
  html`<p class="note">This server is in development: letters end in <a href="/dev/mailbox">the mailbox on this
machine</a>.</p>`
}
<p class="quiet" id="missing" hidden>Nothing there after a minute? Look among the unwanted mail, or ask again:</p>
${form({
  id: 'ask-again',
  action: '/api/v1/user/verify-email/begin/',
  fields: [EMAIL],
  button: 'Send a letter',
})}
<p>All set up already? <a href="/whisper/sign-in">Sign in</a></p>`,
  }
}

/** Where one proves to have the authenticator: the second step of signing in. */
export function codePage(): Page {
  return {
    title: 'Your code',
    script: 'code.js',
    main: html`<div class="lead">
<h1>Your code</h1>
<p class="quiet">Each code works once: if you have just used this one, wait for the next.</p>
</div>
${form({
  id: 'code',
  action: '/api/v1/user/totp/verify/',
  fields: [
    {
      name: 'otp_token',
      label: 'Code',
      hint: 'Six digits, from your authenticator app.',
      autocomplete: 'one-time-code',
      inputmode: 'numeric',
      maxlength: 64,
      isCode: true,
    },
  ],
  button: 'Sign in',
})}
<p><button class="plain" type="button" id="recovery" aria-pressed="false">Use a recovery code</button></p>
<p class="quiet">No authenticator yet? <a href="/whisper/mail">Get a letter</a> to set one up. Wrong address?
<a href="/whisper/sign-in">Start again</a></p>`,
  }
}

function googleButton(): Html {
  return html`<p class="or">or</p>
<a class="button wide" href="/api/v1/user/social/begin/google-oauth2/">Continue with Google</a>`
}
