import { form, steps } from './form.ts'
import { html } from './html.ts'
import type { Page } from './layout.ts'
import { STEPS } from './sign-in.ts'

/** The target of the link in a verification email. Only the button verifies the address, since mail scanners open links too. */
export function verifyEmailPage(token: string): Page {
  return {
    title: 'Confirm your email address',
    script: 'verify-email.js',
    main: html`${steps(STEPS, 2)}
<div class="lead">
<h1>Confirm your email address</h1>
<p class="muted">Then you can set up your authenticator app.</p>
</div>
${form({
  id: 'verify-email',
  action: `/api/v1/user/verify-email/complete/${encodeURIComponent(token)}/`,
  fields: [],
  button: 'Confirm',
})}
<p id="another" hidden><a href="/whisper/mail">Get another email</a></p>`,
  }
}

/** The setup of an authenticator app, up to the recovery codes. */
export function twoFactorPage(): Page {
  return {
    title: 'Set up your authenticator',
    script: 'two-factor.js',
    main: html`${steps(STEPS, 3)}
<h1>Set up your authenticator</h1>
<section class="part" id="begin">
<p>An authenticator app shows a new code every 30 seconds. You need one to sign in. If you have no such app yet, install one on your
phone, for example Aegis, 2FAS or Google Authenticator, or use your password manager.</p>
<p class="alert" role="alert" hidden></p>
<p id="another" hidden><a href="/whisper/mail">Get another email</a> or <a href="/whisper/sign-in">sign in</a></p>
<button class="primary wide" type="button" id="show">Show the QR code</button>
</section>
<section class="part" id="scan" hidden>
<h2 tabindex="-1">Scan this code with the app</h2>
<div class="qr"><img id="qr" alt="QR code with the key of your account" width="224" height="224"></div>
<details>
<summary>Cannot scan the code?</summary>
<p><a id="uri">Open the app</a> on this device, or enter this key in it:</p>
<p class="key" id="key"></p>
</details>
${form({
  id: 'confirm',
  action: '/api/v1/user/totp-device/verify/',
  fields: [
    {
      name: 'otp_token',
      label: 'Code',
      hint: 'The six digits that the app shows now.',
      autocomplete: 'one-time-code',
      inputmode: 'numeric',
      maxlength: 16,
      isCode: true,
    },
  ],
  button: 'Confirm',
})}
</section>
<section class="part" id="recovery" hidden>
<h2 tabindex="-1">Your recovery codes</h2>
<p>Each of them signs you in once without the app, for example if you lose your phone. They are shown only now: store them in a
safe place.</p>
<ul class="codes" id="codes" aria-label="Recovery codes"></ul>
<p class="row"><button type="button" id="copy">Copy</button>
<a class="button" id="download" download="parley-recovery-codes.txt">Download</a>
<span class="muted" role="status" id="copied"></span></p>
<a class="button primary wide" href="/whisper/code">Continue to sign-in</a>
</section>`,
  }
}
