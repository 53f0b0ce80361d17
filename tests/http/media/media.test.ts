import { existsSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { gif, mp3, mp4, ogg, png, voice } from '../../support/media.ts'
import { mediaFiles, onTestServer, startRoomWithAnn, upload } from '../../support/uploads.ts'

const HOUR_MS = 60 * 60 * 1000

/** Starts a server with a file that Ann has sent; `get` requests its link. */
async function startWithFile(bytes: Uint8Array, env: Record<string, string> = {}) {
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
    const { publicLink } = await startWithFile(png())
    expect(publicLink).toMatch(
      /^https:\/\/chat\.example\/parley\/api\/v1\/chat\/media\/[\w-]{21}\?expires=\d{10}&signature=[\w-]{43}$/,
    )
  })

  it('serves the file for an hour', async () => {
    const { app, get } = await startWithFile(png())
    app.clock.advance(HOUR_MS - 1)
    expect(await bytesOf(await get())).toEqual(png())
    app.clock.advance(1)
    const late = await get()
    expect(late.status).toBe(403)
    expect(await late.json()).toMatchObject({ error: { code: 'media_link_invalid' } })
  })

  it('is renewed when the history is read later', async () => {
    const { app, ann, roomId, id } = await startWithFile(png())
    app.clock.advance(20 * 60_000)
    const headers = { authorization: `Bearer ${ann.token}`, accept: 'application/json' }
    const page = await (await fetch(`${app.url}/api/v1/chat/home/${roomId}/`, { headers })).text()
    const expires = Number(new RegExp(`${id}\\?expires=(\\d+)`).exec(page)![1])
    expect(expires * 1000).toBe(app.clock.now() + HOUR_MS)
  })

  it('is rejected when any part was changed or removed', async () => {
    const { app, url, id } = await startWithFile(png())
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
    const { url } = await startWithFile(png())
    const other = await startApp({ SECRET_KEY_BASE: 'another secret key base, as long as it needs to be' })
    expect((await fetch(onTestServer(other, url))).status).toBe(403)
  })

  it('is a 404 when its file is deleted', async () => {
    const { get, dataDir } = await startWithFile(png())
    for (const path of mediaFiles(dataDir)) rmSync(path)
    const response = await get()
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toContain('application/json')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it('counts towards the rate limit only when it is invalid', async () => {
    const { url } = await startWithFile(gif(), { RATE_LIMITS: 'on' })
    const statusesOf = async (address: string) => {
      const responses = await Promise.all(
        Array.from({ length: 50 }, () => fetch(address, { method: 'HEAD' })),
      )
      return new Set(responses.map(({ status }) => status))
    }
    for (let i = 0; i < 1_300; i += 50) expect(await statusesOf(url)).toEqual(new Set([200]))
    let statuses = new Set([403])
    for (let i = 0; i < 1_250 && !statuses.has(429); i += 50) statuses = await statusesOf(`${url}x`)
    expect(statuses).toContain(429)
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
    const { get, id } = await startWithFile(bytes)
    const response = await get()
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': type,
      'content-length': String(bytes.length),
      'accept-ranges': 'bytes',
      etag: `"${id}"`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cross-origin-resource-policy': 'cross-origin',
      'cache-control': 'private, max-age=3600, immutable',
    })
    expect(response.headers.get('content-disposition')).toMatch(
      new RegExp(`^inline; filename="${id}\\.\\w+"$`),
    )
    expect((await bytesOf(response)).equals(bytes)).toBe(true)
  })

  it('prevents the execution of embedded scripts', async () => {
    const page = '<html><script src="data:,alert(1)"></script></html>'
    const polyglot = Buffer.concat([
      Buffer.from(`GIF89a/*${page}*/=1;`),
      gif().subarray(6),
      Buffer.from(page),
    ])
    const { get } = await startWithFile(polyglot)
    const response = await get()
    expect(response.headers.get('content-type')).toBe('image/gif')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.get('content-security-policy')).toMatch(/^sandbox;/)
  })

  it('is cached no longer than its link is valid', async () => {
    const { app, get } = await startWithFile(png())
    app.clock.advance(HOUR_MS - 90_500)
    expect((await get()).headers.get('cache-control')).toBe('private, max-age=90, immutable')
  })

  it('has no body for HEAD', async () => {
    const { get } = await startWithFile(mp4())
    const response = await get({ range: 'bytes=0-9' }, 'HEAD')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).toBe(String(mp4().length))
    expect(response.headers.get('accept-ranges')).toBe('bytes')
    expect(await bytesOf(response)).toHaveLength(0)
    expect((await get({}, 'HEAD')).headers.get('content-type')).toBe('video/mp4')
  })

  it('is a 304 for a cached version', async () => {
    const { get, id } = await startWithFile(png())
    for (const known of [`"${id}"`, `W/"${id}"`, `"x", "${id}"`, '*']) {
      const response = await get({ 'if-none-match': known })
      expect([response.status, (await bytesOf(response)).length]).toEqual([304, 0])
      expect(response.headers.get('etag')).toBe(`"${id}"`)
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
    const { get } = await startWithFile(video)
    const response = await get({ range })
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end}/${size}`)
    expect(response.headers.get('content-length')).toBe(String(end - start + 1))
    expect(response.headers.get('content-type')).toBe('video/mp4')
    expect((await bytesOf(response)).equals(video.subarray(start, end + 1))).toBe(true)
  })

  it.each([`bytes=${size}-`, `bytes=${size}-${size}`, 'bytes=99999999999999999999-', 'bytes=-0'])(
    '%s is not satisfiable',
    async (range) => {
      const { get } = await startWithFile(video)
      const response = await get({ range })
      expect(response.status).toBe(416)
      expect(response.headers.get('content-range')).toBe(`bytes */${size}`)
      expect(await response.json()).toMatchObject({ error: { code: 'range_not_satisfiable' } })
    },
  )

  it.each(['bytes=5-2', 'bytes=a-b', 'bytes=-', 'bytes=1', 'items=0-1', 'bytes=0-1,4-5', 'bytes=--1', ''])(
    '%j is invalid, and the whole file is returned',
    async (range) => {
      const { get } = await startWithFile(video)
      const response = await get({ range })
      expect(response.status).toBe(200)
      expect(await bytesOf(response)).toHaveLength(size)
    },
  )

  it('applies only to the version in If-Range', async () => {
    const { get, id } = await startWithFile(video)
    const range = 'bytes=0-9'
    expect((await get({ range, 'if-range': `"${id}"` })).status).toBe(206)
    for (const other of ['"x"', `W/"${id}"`, 'Thu, 15 Jan 2026 12:00:00 GMT'])
      expect((await get({ range, 'if-range': other })).status, other).toBe(200)
  })
})

describe.runIf(existsSync('/proc/self/fd'))('a file', () => {
  it('is closed when its reader disconnects', async () => {
    const { app, url, dataDir } = await startWithFile(Buffer.concat([png(), Buffer.alloc(20_000_000)]))
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
