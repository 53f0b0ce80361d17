import { byId, find, tell } from './dom.js'

/** @typedef {'audio' | 'video'} Format */

/** What browsers can make, the best first. */
const TYPES = {
  audio: ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'],
  video: ['video/webm;codecs=vp9,opus', 'video/webm;codecs=vp8,opus', 'video/webm', 'video/mp4'],
}
/** Bits per second: a film of three minutes fits into 25 MiB. */
const RATES = { audioBitsPerSecond: 64_000, videoBitsPerSecond: 1_000_000 }

const dialog = byId('recorder', HTMLDialogElement)
const stopButton = byId('recorder-stop', HTMLButtonElement)
const sendButton = byId('recorder-send', HTMLButtonElement)
const sound = byId('recorder-audio', HTMLAudioElement)
const film = byId('recorder-video', HTMLVideoElement)
const time = byId('recorder-time', HTMLElement)

/** Whether this browser can record at all; over plain HTTP it cannot. */
export function canRecord() {
  return 'MediaRecorder' in window && navigator.mediaDevices !== undefined
}

/**
 * Records a sound or a film, and lets who made it hear or see it.
 * @param {Format} format
 * @param {number} maxBytes ends the recording
 * @returns {Promise<File | undefined>} nothing when it was discarded.
 */
export async function record(format, maxBytes) {
  reset(format)
  dialog.returnValue = ''
  dialog.showModal()
  const closed = new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }))
  const stream = await open(format)
  // One may have closed it while the browser was still asking for permission.
  if (!stream || !dialog.open) {
    release(stream)
    await closed
    return undefined
  }
  const blob = await capture(stream, format, maxBytes)
  release(stream)
  if (dialog.open) review(format, blob)
  if (dialog.open) await closed
  for (const player of [sound, film]) empty(player)
  if (dialog.returnValue !== 'send') return undefined
  const type = blob.type.split(';', 1)[0] ?? ''
  return new File([blob], `recording.${type.split('/')[1]}`, { type })
}

/** @param {Format} format */
function reset(format) {
  find(dialog, 'h2', HTMLElement).textContent = format === 'audio' ? 'Record sound' : 'Record a film'
  tell(alert(), '')
  time.textContent = '0:00'
  time.hidden = false
  stopButton.hidden = true
  sendButton.hidden = true
  sound.hidden = true
  film.hidden = true
}

/** @param {Format} format */
async function open(format) {
  try {
    const video = format === 'video' && { width: { ideal: 640 }, facingMode: 'user' }
    return await navigator.mediaDevices.getUserMedia({ audio: true, video })
  } catch (error) {
    const isDenied = error instanceof DOMException && error.name === 'NotAllowedError'
    const devices = format === 'audio' ? 'microphone' : 'camera and microphone'
    const denied = `This site may not use your ${devices}: allow it in the settings of the browser.`
    tell(alert(), isDenied ? denied : `No ${devices} could be used. Is another program using it?`)
    return undefined
  }
}

/**
 * Records until it is stopped, closed, or too large.
 * @param {MediaStream} stream
 * @param {Format} format
 * @param {number} maxBytes
 * @returns {Promise<Blob>}
 */
function capture(stream, format, maxBytes) {
  const mimeType = TYPES[format].find((type) => MediaRecorder.isTypeSupported(type))
  const recorder = new MediaRecorder(stream, { ...RATES, ...(mimeType && { mimeType }) })
  /** @type {Blob[]} */
  const parts = []
  const stop = () => recorder.state !== 'inactive' && recorder.stop()
  const startedAt = Date.now()
  const ticking = setInterval(() => showTime(Date.now() - startedAt), 250)

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
      clearInterval(ticking)
      dialog.classList.remove('recording')
      dialog.removeEventListener('close', stop)
      resolve(new Blob(parts, { type: recorder.mimeType }))
    })
  })
}

/** @param {MediaStream} stream */
function preview(stream) {
  film.hidden = false
  film.controls = false
  film.muted = true
  film.srcObject = stream
  film.play()
}

/**
 * @param {Format} format
 * @param {Blob} blob
 */
function review(format, blob) {
  const player = format === 'audio' ? sound : film
  film.srcObject = null
  film.muted = false
  player.src = URL.createObjectURL(blob)
  player.controls = true
  player.hidden = false
  time.hidden = true
  stopButton.hidden = true
  sendButton.hidden = false
  sendButton.focus()
}

/** @param {HTMLMediaElement} player */
function empty(player) {
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
