import { form, steps } from './form.ts'
import { type Html, html } from './html.ts'
import type { Page } from './layout.ts'

/** The steps of creating an account. */
export const STEPS = ['Account', 'Email', 'Authenticator'] as const

/** Options of the sign-in and sign-up pages. */
export interface SignInPageOptions {
  /** Whether sign-in with Google is configured. */
  google: boolean
  /** The query with the page to return to, or an empty string. */
  query: string
}

const EMAIL = {
  name: 'email',
  label: 'Email address',
  type: 'email',
  autocomplete: 'email',
  maxlength: 160,
} as const

/** The first of two steps of signing in. */
export function signInPage({ google, query }: SignInPageOptions): Page {
  return {
    title: 'Sign in',
    script: 'sign-in.js',
    main: html`<div class="lead">
<h1>Sign in</h1>
<p class="muted">Enter your email address, then a code from your authenticator app, and your password if you have set one.</p>
</div>
${form({ id: 'sign-in', action: '/api/v1/user/login/', fields: [EMAIL], button: 'Continue' })}
${google && googleButton()}
<p>New here? <a href="/whisper/sign-up${query}">Create an account</a></p>`,
  }
}

/** The form for a new account. */
export function signUpPage({ google, query }: SignInPageOptions): Page {
  const username = {
    name: 'username',
    label: 'Username (optional)',
    hint: '3 to 120 characters, visible to others. Leave it empty to get a generated one.',
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
<p class="muted">You need an email address and an authenticator app, but no password.</p>
</div>
${form({ id: 'sign-up', action: '/api/v1/user/register/', fields: [EMAIL, username], button: 'Create account' })}
${google && googleButton()}
<p>Already have an account? <a href="/whisper/sign-in${query}">Sign in</a></p>`,
  }
}

/** The page after signing up, with a form to request another verification email. */
export function checkEmailPage({ hasMailbox }: { hasMailbox: boolean }): Page {
  return {
    title: 'Check your email',
    script: 'check-email.js',
    main: html`${steps(STEPS, 2)}
<div class="lead">
<h1>Check your email</h1>
<p id="sent" tabindex="-1" hidden>If there is an account for <b id="address"></b> that is not set up yet, we have sent it an email. The
link expires after 10 minutes.</p>
<p id="unsent">Enter your email address to get a link for the next step.</p>
</div>
${
  hasMailbox &&
  html`<p class="note">This is a development server: emails go to the <a href="/dev/mailbox">development mailbox</a>.</p>`
}
<p class="muted" id="missing" hidden>No email after a minute? Check your spam folder, or request another one:</p>
${form({
  id: 'request-email',
  action: '/api/v1/user/verify-email/begin/',
  fields: [EMAIL],
  button: 'Send an email',
})}
<p>Already set up? <a href="/whisper/sign-in">Sign in</a></p>`,
  }
}

/** The second step of signing in: the code of the authenticator app. */
export function codePage(): Page {
  return {
    title: 'Enter your code',
    script: 'code.js',
    main: html`<div class="lead">
<h1>Enter your code</h1>
<p class="muted">Each code works once. If you have just used this one, wait for the next.</p>
</div>
${form({
  id: 'code',
  action: '/api/v1/user/totp/verify/',
  fields: [
    {
      name: 'otp_token',
      label: 'Code',
      hint: 'Six digits from your authenticator app.',
      autocomplete: 'one-time-code',
      inputmode: 'numeric',
      maxlength: 64,
      isCode: true,
      optional: true,
    },
    {
      name: 'password',
      label: 'Password (if your account has one)',
      type: 'password',
      autocomplete: 'current-password',
      maxlength: 1024,
      optional: true,
    },
  ],
  button: 'Sign in',
})}
<p><button class="plain" type="button" id="recovery" aria-pressed="false">Use a recovery code</button></p>
<p class="muted">No authenticator yet? <a href="/whisper/mail">Get an email</a> to set one up. Wrong address?
<a href="/whisper/sign-in">Start over</a></p>`,
  }
}

function googleButton(): Html {
  return html`<p class="or">or</p>
<a class="button wide" href="/api/v1/user/social/begin/google-oauth2/">Continue with Google</a>`
}
