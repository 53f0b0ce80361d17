import { expect, it } from 'vitest'
import { avif, gif, jpeg, mp3, mp4, ogg, png, voice, wav, webm, webp } from '../support/media.ts'
import { startPublicApp } from '../support/public-app.ts'
import { startRoomWithAnn, upload } from '../support/uploads.ts'
import { openBrowser } from './browser.ts'

/** Resolves to the width of an image, or to the duration in seconds of audio or video that was played to its end. */
const LOAD_MEDIA = `({ tag, url }) => new Promise((resolve, reject) => {
  const element = document.createElement(tag)
  element.onerror = () => reject(new Error('This ' + tag + ' cannot be played.'))
  element.onload = () => resolve(element.naturalWidth)
  element.onended = () => resolve(Math.round(element.duration))
  element.muted = true
  element.src = url
  document.body.append(element)
  element.play?.()
})`

/** Resolves to the position of a video after seeking near its end. */
const SEEK_NEAR_END = `(url) => new Promise((resolve, reject) => {
  const video = document.createElement('video')
  video.onerror = () => reject(new Error('This video cannot be played.'))
  video.onloadedmetadata = () => { video.currentTime = 3590 }
  video.onseeked = () => resolve(Math.round(video.currentTime))
  video.preload = 'metadata'
  video.src = url
  document.body.append(video)
})`

it.each([
  ['PNG', png(), 'img', 16],
  ['JPEG', jpeg(), 'img', 1],
  ['GIF', gif(), 'img', 1],
  ['WebP', webp(), 'img', 1],
  ['AVIF', avif(), 'img', 2],
  ['WAV', wav(), 'audio', 1],
  ['MP3', mp3(), 'audio', 1],
  ['Ogg', ogg(2), 'audio', 2],
  ['WebM without video', voice(2), 'audio', 2],
  ['WebM', webm(2), 'video', 2],
  ['MP4', mp4(2), 'video', 2],
])('a browser loads %s from its signed URL, on a page of any site', async (_type, bytes, tag, expected) => {
  const site = await startPublicApp()
  const { target } = await startRoomWithAnn(site)
  const format = tag === 'img' ? 'image' : tag
  const { body } = await upload(site, target, ['media_format', format], ['file', bytes])
  const page = await openBrowser(site)
  const shown = await page.evaluate(
    `(${LOAD_MEDIA})(${JSON.stringify({ tag, url: body[`${format}_content`] })})`,
  )
  expect(shown).toBe(expected)
})

it('a browser seeks in a video without loading all of it', async () => {
  const site = await startPublicApp()
  const { target } = await startRoomWithAnn(site)
  const video = mp4(3600, { padding: 15_000_000 })
  const { body } = await upload(site, target, ['file', video])
  const sent: number[] = []
  const page = await openBrowser(site)
  page.on('response', (response) => void sent.push(response.status()))
  expect(await page.evaluate(`(${SEEK_NEAR_END})(${JSON.stringify(body.video_content)})`)).toBe(3590)
  expect(new Set(sent)).toEqual(new Set([206]))
  expect(sent.length).toBeGreaterThan(1)
})
