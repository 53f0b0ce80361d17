import { byId, find, showText } from './dom.js'

/** @typedef {'audio' | 'video'} Format */

/** In order of preference. */
const TYPES = {
  audio: ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'],
  video: ['video/webm;codecs=vp9,opus', 'video/webm;codecs=vp8,opus', 'video/webm', 'video/mp4'],
}
/** Three minutes of video fit into 25 MiB. */
const BIT_RATES = { audioBitsPerSecond: 64_000, videoBitsPerSecond: 1_000_000 }

const dialog = byId('recorder', HTMLDialogElement)
const stopButton = byId('recorder-stop', HTMLButtonElement)
const sendButton = byId('recorder-send', HTMLButtonElement)
const audio = byId('recorder-audio', HTMLAudioElement)
const video = byId('recorder-video', HTMLVideoElement)
const time = byId('recorder-time', HTMLElement)

/** Whether this browser can record. Browsers allow it only over HTTPS and on localhost. */
export function canRecord() {
  return 'MediaRecorder' in window && navigator.mediaDevices !== undefined
}

/**
 * Records audio or video, and lets the user play it before sending.
 * @param {Format} format
 * @param {number} maxBytes the recording stops at this size
 * @returns {Promise<File | undefined>} undefined when it was discarded.
 */
export async function record(format, maxBytes) {
  reset(format)
  dialog.returnValue = ''
  dialog.showModal()
  const closed = new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  const stream = await open(format)
  // The dialog may have been closed while the browser asked for permission.
  if (!stream || !dialog.open) {
    release(stream)
    await closed
    return undefined
  }
  const blob = await capture(stream, format, maxBytes)
  release(stream)
  if (dialog.open) review(format, blob)
  if (dialog.open) await closed
  for (const player of [audio, video]) unload(player)
  if (dialog.returnValue !== 'send') return undefined
  const type = blob.type.split(';', 1)[0] ?? ''
  return new File([blob], `recording.${type.split('/')[1]}`, { type })
}

/** @param {Format} format */
function reset(format) {
  find(dialog, 'h2', HTMLElement).textContent = format === 'audio' ? 'Record audio' : 'Record video'
  showText(alert(), '')
  time.textContent = '0:00'
  time.hidden = false
  stopButton.hidden = true
  sendButton.hidden = true
  audio.hidden = true
  video.hidden = true
}

/** @param {Format} format */
async function open(format) {
  try {
    const video = format === 'video' && { width: { ideal: 640 }, facingMode: 'user' }
    return await navigator.mediaDevices.getUserMedia({ audio: true, video })
  } catch (error) {
    const isDenied = error instanceof DOMException && error.name === 'NotAllowedError'
    const devices = format === 'audio' ? 'microphone' : 'camera and microphone'
    const denied = `This site is not allowed to use your ${devices}. Allow it in the browser settings.`
    showText(
      alert(),
      isDenied ? denied : `The ${devices} could not be used. Another program may be using it.`,
    )
    return undefined
  }
}

/**
 * Records until it is stopped, the dialog is closed, or the recording reaches the size limit.
 * @param {MediaStream} stream
 * @param {Format} format
 * @param {number} maxBytes
 * @returns {Promise<Blob>}
 */
function capture(stream, format, maxBytes) {
  const mimeType = TYPES[format].find((type) => MediaRecorder.isTypeSupported(type))
  const recorder = new MediaRecorder(stream, { ...BIT_RATES, ...(mimeType && { mimeType }) })
  /** @type {Blob[]} */
  const parts = []
  const stop = () => recorder.state !== 'inactive' && recorder.stop()
  const startedAt = Date.now()
  const ticker = setInterval(() => showTime(Date.now() - startedAt), 250)

  recorder.addEventListener('dataavailable', ({ data }) => {
    parts.push(data)
    const size = parts.reduce((sum, part) => sum + part.size, 0)
    if (size > maxBytes * 0.9) stop()
  })
  stopButton.onclick = stop
  dialog.addEventListener('close', stop, { once: true })
  dialog.classList.add('recording')
  stopButton.hidden = false
  stopButton.focus()
  if (format === 'video') preview(stream)
  recorder.start(1000)

  return new Promise((resolve) => {
    recorder.addEventListener('stop', () => {
      clearInterval(ticker)
      dialog.classList.remove('recording')
      dialog.removeEventListener('close', stop)
      resolve(new Blob(parts, { type: recorder.mimeType }))
    })
  })
}

/** @param {MediaStream} stream */
function preview(stream) {
  video.hidden = false
  video.controls = false
  video.muted = true
  video.srcObject = stream
  video.play()
}

/**
 * @param {Format} format
 * @param {Blob} blob
 */
function review(format, blob) {
  const player = format === 'audio' ? audio : video
  video.srcObject = null
  video.muted = false
  player.src = URL.createObjectURL(blob)
  player.controls = true
  player.hidden = false
  time.hidden = true
  stopButton.hidden = true
  sendButton.hidden = false
  sendButton.focus()
}

/** @param {HTMLMediaElement} player */
function unload(player) {
  player.srcObject = null
  if (!player.src) return
  URL.revokeObjectURL(player.src)
  player.removeAttribute('src')
  player.load()
}

/** @param {MediaStream | undefined} stream */
function release(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop()
}

/** @param {number} ms */
function showTime(ms) {
  const seconds = Math.floor(ms / 1000)
  time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function alert() {
  return find(dialog, '[role=alert]', HTMLElement)
}
