import { describe, expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { CIPHERTEXT, startWithAttachments } from '../../support/attachments.ts'
import { push } from '../../support/conversations.ts'

async function withBoundAttachment() {
  const found = await startWithAttachments((env) => startApp(env))
  const { id, location } = await found.clients.ann.upload(found.id)
  await found.send([id])
  return { ...found, attachment: id, location }
}

describe('a download', () => {
  it('is opaque, cannot be displayed, and is not reused without asking', async () => {
    const { clients, attachment, location } = await withBoundAttachment()
    const { headers } = await clients.bob.request('GET', location)
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '300000',
      'content-disposition': `attachment; filename="${attachment}"`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cache-control': 'private, no-cache',
      'accept-ranges': 'bytes',
      etag: `"${attachment}"`,
    })
  })

  it.each([
    ['bytes=0-9', 0, 10],
    ['bytes=65536-131071', 65_536, 131_072],
    ['bytes=299990-', 299_990, 300_000],
    ['bytes=-5', 299_995, 300_000],
    ['bytes=299990-400000', 299_990, 300_000],
  ])('of the range %s returns it', async (range, start, end) => {
    const { clients, location } = await withBoundAttachment()
    const response = await clients.bob.request('GET', location, { range })
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/300000`)
    expect(response.headers.get('content-length')).toBe(String(end - start))
    expect(Buffer.from(await response.arrayBuffer()).equals(CIPHERTEXT.subarray(start, end))).toBe(true)
  })

  it('of a range after the end, or of a version that the client has, has no body', async () => {
    const { clients, attachment, location } = await withBoundAttachment()
    const after = await clients.bob.request('GET', location, { range: 'bytes=300000-' })
    expect([after.status, after.headers.get('content-range')]).toEqual([416, 'bytes */300000'])
    const known = await clients.bob.request('GET', location, { 'if-none-match': `"${attachment}"` })
    expect([known.status, await known.text()]).toEqual([304, ''])
  })

  it('of an incomplete upload is refused to everybody', async () => {
    const { id, clients } = await withBoundAttachment()
    const location = await clients.ann.begin(id, 10)
    await clients.ann.patch(location, 0, new Uint8Array(9))
    expect(await clients.ann.status(location)).toBe(404)
    await clients.ann.patch(location, 9, new Uint8Array(1))
    expect(await clients.ann.status(location)).toBe(200)
    expect(await clients.bob.status(location)).toBe(404)
  })
})

describe('who is not a member', () => {
  it('can neither create, continue, ask for, download nor delete an attachment', async () => {
    const { id, clients, location } = await withBoundAttachment()
    const unfinished = await clients.ann.begin(id, 10)
    expect((await clients.eve.create(id, 10)).status).toBe(403)
    for (const path of [location, unfinished]) {
      expect((await clients.eve.patch(path, 0, new Uint8Array(1))).status).toBe(403)
      expect(await clients.eve.offset(path)).toBe(-403)
      expect(await clients.eve.status(path)).toBe(403)
      expect((await clients.eve.request('DELETE', path)).status).toBe(403)
    }
  })

  it('gets nothing through a conversation of their own', async () => {
    const { app, id, eve, bob, clients, location } = await withBoundAttachment()
    const { response: own } = await push(eve, await eve.join('system:general'), 'start_group_conversation', {
      user_ids: [bob.id],
      public_key: {},
      private_key: {},
    })
    const unfinished = await clients.ann.begin(id, 10)
    for (const path of [location, unfinished].map((one) => one.replace(id, own))) {
      expect(await clients.eve.status(path)).toBe(404)
      expect(await clients.eve.offset(path)).toBe(-404)
      expect((await clients.eve.patch(path, 0, new Uint8Array(1))).status).toBe(404)
      expect((await clients.eve.request('DELETE', path)).status).toBe(404)
    }
    expect(app.logs.filter((line) => line.includes('"level":50'))).toEqual([])
  })

  it('any more loses access, and gets it back when added again', async () => {
    const { id, ann, bob, annChannel, bobChannel, clients, location } = await withBoundAttachment()
    const own = await clients.bob.begin(id, 10)
    expect(await clients.bob.status(location)).toBe(200)
    await push(bob, bobChannel, 'leave_conversation')
    expect(await clients.bob.status(location)).toBe(403)
    const known = await clients.bob.request('GET', location, { 'if-none-match': '*' })
    expect(known.status).toBe(403)
    expect((await clients.bob.patch(own, 0, new Uint8Array(1))).status).toBe(403)
    await push(ann, annChannel, 'modify_conversation', { new_members: [bob.id] })
    expect(await clients.bob.status(location)).toBe(200)
  })
})

describe('another member', () => {
  it('can neither continue nor ask for an upload, nor write a complete one', async () => {
    const { id, clients, location } = await withBoundAttachment()
    const unfinished = await clients.ann.begin(id, 10)
    expect((await clients.bob.patch(unfinished, 0, new Uint8Array(10))).status).toBe(404)
    expect(await clients.bob.offset(unfinished)).toBe(-404)
    expect((await clients.bob.patch(location, 300_000, new Uint8Array(1))).status).toBe(404)
    expect(await clients.bob.offset(location)).toBe(300_000)
  })
})

it.each(['x', '../../../etc/passwd', '%2e%2e%2fsecret', '00000000-0000-0000-0000-000000000000', '%00'])(
  'the id %s finds nothing',
  async (attachment) => {
    const { id, clients } = await withBoundAttachment()
    const path = `/api/conversations/${id}/attachments/${encodeURIComponent(attachment)}`
    expect(await clients.ann.status(path)).toBe(404)
    expect(await clients.ann.offset(path)).toBe(-404)
    expect((await clients.ann.patch(path, 0, new Uint8Array(1))).status).toBe(404)
    expect((await clients.ann.create('x', 5)).status).toBe(403)
  },
)
