import { form, steps } from './form.ts'
import { html } from './html.ts'
import type { Page } from './layout.ts'
import { STEPS } from './sign-in.ts'

/**
 * Where the link of a letter leads. It proves nothing by itself, since programs that look at mail open links too: the
 * button does.
 */
export function verifyEmailPage(token: string): Page {
  return {
    title: 'Confirm your address',
    script: 'verify-email.js',
    main: html`${steps(STEPS, 2)}
<div class="lead">
<h1>Confirm your address</h1>
<p class="quiet">One press, and you can set up your authenticator.</p>
</div>
${form({
  id: 'verify-email',
  action: `/api/v1/user/verify-email/complete/${encodeURIComponent(token)}/`,
  fields: [],
  button: 'This is my address',
})}
<p id="another" hidden><a href="/whisper/mail">Get another letter</a></p>`,
  }
}

/** Where an authenticator app is set up, and the recovery codes are shown. */
export function twoFactorPage(): Page {
  return {
    title: 'Set up your authenticator',
    script: 'two-factor.js',
    main: html`${steps(STEPS, 3)}
<h1>Set up your authenticator</h1>
<section class="part" id="begin">
<p>An authenticator app makes a new code every half minute: with one of them you sign in. If you have none yet, get one for your
phone: Aegis, 2FAS, Google Authenticator, or the one in your password manager.</p>
<p class="alert" role="alert" hidden></p>
<p id="another" hidden><a href="/whisper/mail">Get another letter</a> or <a href="/whisper/sign-in">sign in</a></p>
<button class="primary wide" type="button" id="show">I have one: show the QR code</button>
</section>
<section class="part" id="scan" hidden>
<h2 tabindex="-1">Scan this with the app</h2>
<div class="qr"><img id="qr" alt="QR code with the key of your account" width="224" height="224"></div>
<details>
<summary>No camera at hand?</summary>
<p>On this device, <a id="uri">open the app</a>. Or type this key into it:</p>
<p class="key" id="key"></p>
</details>
${form({
  id: 'confirm',
  action: '/api/v1/user/totp-device/verify/',
  fields: [
    {
      name: 'otp_token',
      label: 'Code',
      hint: 'The six digits the app shows now.',
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
<p>Each of them signs you in once without the app, should you lose your phone. They are shown only now: keep them where you keep
other important things.</p>
<ul class="codes" id="codes" aria-label="Recovery codes"></ul>
<p class="row"><button type="button" id="copy">Copy</button>
<a class="button" id="download" download="parley-recovery-codes.txt">Download</a>
<span class="quiet" role="status" id="copied"></span></p>
<a class="button primary wide" href="/whisper/code">I have kept them: sign in</a>
</section>`,
  }
}
