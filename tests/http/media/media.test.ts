import { existsSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { gif, mp3, mp4, ogg, png, voice } from '../../support/media.ts'
import { mediaFiles, onTestServer, startRoomWithAnn, upload } from '../../support/uploads.ts'

const HOUR_MS = 60 * 60 * 1000

/** A server on which Ann has sent a file; `get` follows the link to it. */
async function shared(bytes: Uint8Array, env: Record<string, string> = {}) {
  const dataDir = temporaryFolder()
  const app = await startApp({ DATA_DIR: dataDir, PUBLIC_URL: 'https://chat.example/parley', ...env })
  const room = await startRoomWithAnn(app)
  const { body } = await upload(app, room.target, ['file', bytes])
  const publicLink = (body.image_content ?? body.audio_content ?? body.video_content) as string
  // What is before `/api` is for a proxy.
  const url = onTestServer(app, publicLink).replace('/parley', '')
  const get = (headers: Record<string, string> = {}, method = 'GET') => fetch(url, { method, headers })
  return { app, dataDir, publicLink, url, get, id: /media\/([\w-]{21})/.exec(url)![1]!, ...room }
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

describe('a link', () => {
  it('is absolute, with the public URL', async () => {
    const { publicLink } = await shared(png())
    expect(publicLink).toMatch(
      /^https:\/\/chat\.example\/parley\/api\/v1\/chat\/media\/[\w-]{21}\?expires=\d{10}&signature=[\w-]{43}$/,
    )
  })

  it('serves the file for an hour', async () => {
    const { app, get } = await shared(png())
    app.clock.advance(HOUR_MS - 1)
    expect(await bytesOf(await get())).toEqual(png())
    app.clock.advance(1)
    const late = await get()
    expect(late.status).toBe(403)
    expect(await late.json()).toMatchObject({ error: { code: 'media_link_invalid' } })
  })

  it('is renewed when the history is read later', async () => {
    const { app, ann, roomId, id } = await shared(png())
    app.clock.advance(20 * 60_000)
    const headers = { authorization: `Bearer ${ann.token}`, accept: 'application/json' }
    const page = await (await fetch(`${app.url}/api/v1/chat/home/${roomId}/`, { headers })).text()
    const expires = Number(new RegExp(`${id}\\?expires=(\\d+)`).exec(page)![1])
    expect(expires * 1000).toBe(app.clock.now() + HOUR_MS)
  })

  it('is rejected when any part was changed or removed', async () => {
    const { app, url, id } = await shared(png())
    const { searchParams } = new URL(url)
    const [expires, signature] = [searchParams.get('expires')!, searchParams.get('signature')!]
    const base = `${app.url}/api/v1/chat/media`
    const others = [
      `${base}/${id}`,
      `${base}/${id}?expires=${expires}`,
      `${base}/${id}?signature=${signature}`,
      `${base}/${id}?expires=${Number(expires) + 1}&signature=${signature}`,
      `${base}/${id}?expires=${expires}&signature=${signature.slice(1)}x`,
      `${base}/${id}?expires=${expires}&expires=${expires}&signature=${signature}`,
      `${base}/${id}?expires[]=${expires}&signature=${signature}`,
      `${base}/V1StGXR8_Z5jdHi6B-myT?expires=${expires}&signature=${signature}`,
      `${base}/..%2f..%2fdatabase?expires=${expires}&signature=${signature}`,
      `${base}/%00?expires=${expires}&signature=${signature}`,
    ]
    for (const other of others) expect((await fetch(other)).status, other).toBe(403)
    expect((await fetch(url)).status).toBe(200)
  })

  it('is rejected when another server signed it', async () => {
    const { url } = await shared(png())
    const other = await startApp({ SECRET_KEY_BASE: 'another secret key base, as long as it needs to be' })
    expect((await fetch(onTestServer(other, url))).status).toBe(403)
  })

  it('is a 404 when its file is deleted', async () => {
    const { get, dataDir } = await shared(png())
    for (const path of mediaFiles(dataDir)) rmSync(path)
    const answer = await get()
    expect(answer.status).toBe(404)
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  it('counts towards the rate limit only when it is invalid', async () => {
    const { url } = await shared(gif(), { RATE_LIMITS: 'on' })
    for (let i = 0; i < 1_300; i += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(url, { method: 'HEAD' })))
      expect(answers.every(({ status }) => status === 200)).toBe(true)
    }
    let status = 403
    for (let i = 0; i < 1_250 && status === 403; i++)
      ({ status } = await fetch(`${url}x`, { method: 'HEAD' }))
    expect(status).toBe(429)
    expect((await fetch(url)).status).toBe(200)
  })
})

describe('the response', () => {
  it.each([
    ['image/png', png()],
    ['image/gif', gif()],
    ['audio/mpeg', mp3()],
    ['audio/ogg', ogg()],
    ['video/webm', voice()],
    ['video/mp4', mp4()],
  ])('has the content type that was detected: %s', async (type, bytes) => {
    const { get, id } = await shared(bytes)
    const answer = await get()
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': type,
      'content-length': String(bytes.length),
      'accept-ranges': 'bytes',
      etag: `"${id}"`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cross-origin-resource-policy': 'cross-origin',
      'cache-control': 'private, max-age=3600, immutable',
    })
    expect(answer.headers.get('content-disposition')).toMatch(new RegExp(`^inline; filename="${id}\\.\\w+"$`))
    expect((await bytesOf(answer)).equals(bytes)).toBe(true)
  })

  it('prevents the execution of embedded scripts', async () => {
    const page = '<html><script src="data:,alert(1)"></script></html>'
    const polyglot = Buffer.concat([
      Buffer.from(`GIF89a/*${page}*/=1;`),
      gif().subarray(6),
      Buffer.from(page),
    ])
    const { get } = await shared(polyglot)
    const answer = await get()
    expect(answer.headers.get('content-type')).toBe('image/gif')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox;/)
  })

  it('is cached no longer than its link is valid', async () => {
    const { app, get } = await shared(png())
    app.clock.advance(HOUR_MS - 90_500)
    expect((await get()).headers.get('cache-control')).toBe('private, max-age=90, immutable')
  })

  it('has no body for HEAD', async () => {
    const { get } = await shared(mp4())
    const answer = await get({ range: 'bytes=0-9' }, 'HEAD')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-length')).toBe(String(mp4().length))
    expect(answer.headers.get('accept-ranges')).toBe('bytes')
    expect(await bytesOf(answer)).toHaveLength(0)
    expect((await get({}, 'HEAD')).headers.get('content-type')).toBe('video/mp4')
  })

  it('is a 304 for a cached version', async () => {
    const { get, id } = await shared(png())
    for (const known of [`"${id}"`, `W/"${id}"`, `"x", "${id}"`, '*']) {
      const answer = await get({ 'if-none-match': known })
      expect([answer.status, (await bytesOf(answer)).length]).toEqual([304, 0])
      expect(answer.headers.get('etag')).toBe(`"${id}"`)
    }
    expect((await get({ 'if-none-match': '"x"' })).status).toBe(200)
  })
})

describe('a range', () => {
  const video = mp4(3)
  const size = video.length

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-99', 0, 99],
    ['bytes=100-', 100, size - 1],
    ['bytes=-100', size - 100, size - 1],
    [`bytes=-${size + 1}`, 0, size - 1],
    [`bytes=5-${size * 2}`, 5, size - 1],
    [`bytes=${size - 1}-`, size - 1, size - 1],
    ['bytes=0-', 0, size - 1],
    ['Bytes=1-2', 1, 2],
  ])('%s returns that part', async (range, start, end) => {
    const { get } = await shared(video)
    const answer = await get({ range })
    expect(answer.status).toBe(206)
    expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end}/${size}`)
    expect(answer.headers.get('content-length')).toBe(String(end - start + 1))
    expect(answer.headers.get('content-type')).toBe('video/mp4')
    expect((await bytesOf(answer)).equals(video.subarray(start, end + 1))).toBe(true)
  })

  it.each([`bytes=${size}-`, `bytes=${size}-${size}`, 'bytes=99999999999999999999-', 'bytes=-0'])(
    '%s is not satisfiable',
    async (range) => {
      const { get } = await shared(video)
      const answer = await get({ range })
      expect(answer.status).toBe(416)
      expect(answer.headers.get('content-range')).toBe(`bytes */${size}`)
      expect(await answer.json()).toMatchObject({ error: { code: 'range_not_satisfiable' } })
    },
  )

  it.each(['bytes=5-2', 'bytes=a-b', 'bytes=-', 'bytes=1', 'items=0-1', 'bytes=0-1,4-5', 'bytes=--1', ''])(
    '%j is invalid, and the whole file is returned',
    async (range) => {
      const { get } = await shared(video)
      const answer = await get({ range })
      expect(answer.status).toBe(200)
      expect(await bytesOf(answer)).toHaveLength(size)
    },
  )

  it('applies only to the version in If-Range', async () => {
    const { get, id } = await shared(video)
    const range = 'bytes=0-9'
    expect((await get({ range, 'if-range': `"${id}"` })).status).toBe(206)
    for (const other of ['"x"', `W/"${id}"`, 'Thu, 15 Jan 2026 12:00:00 GMT'])
      expect((await get({ range, 'if-range': other })).status, other).toBe(200)
  })
})

describe.runIf(existsSync('/proc/self/fd'))('a file', () => {
  it('is closed when its reader disconnects', async () => {
    const { app, url, dataDir } = await shared(Buffer.concat([png(), Buffer.alloc(20_000_000)]))
    const { hostname, port, pathname, search } = new URL(url)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    expect(openFilesIn(dataDir)).toHaveLength(1)
    socket.destroy()
    await eventually(() => expect(openFilesIn(dataDir)).toEqual([]))
    expect(app.logs.filter((line) => line.includes('"level":50'))).toEqual([])
  })
})

/** The files of a folder's media store that this process has open. */
function openFilesIn(dir: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(`${dir}/media/`) ? [path] : []
    } catch {
      return []
    }
  })
}
