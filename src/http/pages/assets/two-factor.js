import { send } from './api.js'
import { byId, find, showText } from './dom.js'
import { submitAsJson } from './form.js'

const begin = byId('begin', HTMLElement)
const button = byId('show', HTMLButtonElement)

button.addEventListener('click', async () => {
  if (button.ariaDisabled === 'true') return
  button.ariaDisabled = 'true'
  const problem = await showQrCode()
  button.ariaDisabled = 'false'
  showText(find(begin, '[role=alert]', HTMLElement), problem)
  byId('another', HTMLElement).hidden = !problem
})

submitAsJson(byId('confirm', HTMLFormElement), ({ body }) =>
  showCodes(/** @type {string[]} */ (body.recovery_codes)),
)

/** @returns {Promise<string>} the error as a sentence; empty on success. */
async function showQrCode() {
  const created = await send('POST', '/api/v1/user/totp-device/create/')
  if (!created.ok) return created.problem
  const [image, key] = await Promise.all([
    fetch('/api/v1/user/qr-code/', { method: 'POST' }).catch(() => undefined),
    send('POST', '/whisper/two-factor/key'),
  ])
  if (!image?.ok || !key.ok) return 'The QR code could not be loaded. Try again later.'
  byId('qr', HTMLImageElement).src = URL.createObjectURL(await image.blob())
  const uri = String(key.body.uri)
  byId('uri', HTMLAnchorElement).href = uri
  byId('key', HTMLElement).textContent = inGroups(new URL(uri).searchParams.get('secret') ?? '')
  switchTo('scan', begin)
  return ''
}

/**
 * Splits a key into groups of four characters, which are easier to type.
 * @param {string} key
 */
function inGroups(key) {
  return key.match(/.{1,4}/g)?.join(' ') ?? ''
}

/** @param {string[]} codes */
function showCodes(codes) {
  const items = codes.map((code) => Object.assign(document.createElement('li'), { textContent: code }))
  byId('codes', HTMLElement).replaceChildren(...items)
  const text = `Recovery codes for ${location.host}; each works once:\n\n${codes.join('\n')}\n`
  const file = new Blob([text], { type: 'text/plain' })
  byId('download', HTMLAnchorElement).href = URL.createObjectURL(file)
  byId('copy', HTMLButtonElement).addEventListener('click', async () => {
    const isCopied = await navigator.clipboard.writeText(codes.join('\n')).then(
      () => true,
      () => false,
    )
    byId('copied', HTMLElement).textContent = isCopied
      ? 'Copied'
      : 'Could not copy. Select the codes and copy them.'
  })
  switchTo('recovery', byId('scan', HTMLElement))
}

/**
 * Shows one part of the page in place of another, and moves the focus there.
 * @param {string} id
 * @param {HTMLElement} before
 */
function switchTo(id, before) {
  const part = byId(id, HTMLElement)
  before.hidden = true
  part.hidden = false
  find(part, 'h2', HTMLElement).focus()
}
