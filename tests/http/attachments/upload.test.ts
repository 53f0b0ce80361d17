import { describe, expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { AttachmentClient, CIPHERTEXT, startWithAttachments } from '../../support/attachments.ts'
import { push } from '../../support/conversations.ts'

const start = (env: Record<string, string> = {}) =>
  startWithAttachments((paths) => startApp({ ...paths, ...env }))

const codeOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { error: { code: string } }).error.code,
]

describe('an upload', () => {
  it('is created, continued at its offset, and complete', async () => {
    const { id, clients } = await start()
    const created = await clients.ann.create(id, CIPHERTEXT.length)
    expect(created.status).toBe(201)
    expect(created.headers.get('tus-resumable')).toBe('1.0.0')
    const location = created.headers.get('location') as string
    expect(location).toMatch(new RegExp(`^/api/conversations/${id}/attachments/[0-9a-f-]{36}$`))
    expect(await created.json()).toEqual({ id: location.split('/').at(-1), size: CIPHERTEXT.length })

    const first = await clients.ann.patch(location, 0, CIPHERTEXT.subarray(0, 100_000))
    expect([first.status, first.headers.get('upload-offset')]).toEqual([204, '100000'])
    const head = await clients.ann.request('HEAD', location, { 'tus-resumable': '1.0.0' })
    expect(Object.fromEntries(head.headers)).toMatchObject({
      'upload-offset': '100000',
      'upload-length': '300000',
      'cache-control': 'no-store',
      'tus-resumable': '1.0.0',
    })
    const second = await clients.ann.patch(location, 100_000, CIPHERTEXT.subarray(100_000))
    expect([second.status, second.headers.get('upload-offset')]).toEqual([204, '300000'])
    const again = await clients.ann.patch(location, 300_000, new Uint8Array())
    expect([again.status, again.headers.get('upload-offset')]).toEqual([204, '300000'])
    const found = await clients.ann.request('GET', location)
    expect(Buffer.from(await found.arrayBuffer()).equals(CIPHERTEXT)).toBe(true)
  })

  it('is refused at another offset, and keeps its own', async () => {
    const { id, clients } = await start()
    const location = await clients.ann.begin(id, CIPHERTEXT.length)
    await clients.ann.patch(location, 0, CIPHERTEXT.subarray(0, 1_000))
    for (const offset of [0, 999, 1_001, 300_000]) {
      const refused = await clients.ann.patch(location, offset, CIPHERTEXT.subarray(0, 10))
      expect(await codeOf(refused)).toEqual([409, 'upload_offset_mismatch'])
    }
    expect(await clients.ann.offset(location)).toBe(1_000)
  })

  it('does not receive more than its size', async () => {
    const { id, clients } = await start()
    const location = await clients.ann.begin(id, 1_000)
    expect(await codeOf(await clients.ann.patch(location, 0, new Uint8Array(1_001)))).toEqual([
      413,
      'attachment_too_large',
    ])
    expect(await clients.ann.offset(location)).toBe(0)
    expect((await clients.ann.patch(location, 0, new Uint8Array(1_000))).status).toBe(204)
    expect(await codeOf(await clients.ann.patch(location, 1_000, new Uint8Array(1)))).toEqual([
      413,
      'attachment_too_large',
    ])
  })

  it.each([
    ['no content type', { 'content-type': '' }, [415, 'unsupported_media_type']],
    ['another content type', { 'content-type': 'application/json' }, [400, 'malformed_json']],
    ['no offset', { 'upload-offset': '' }, [422, 'validation_failed']],
    ['a negative offset', { 'upload-offset': '-1' }, [422, 'validation_failed']],
    ['another version of tus', { 'tus-resumable': '0.2.2' }, [412, 'tus_version_unsupported']],
  ])('is refused with %s', async (_what, headers, expected) => {
    const { id, clients } = await start()
    const location = await clients.ann.begin(id, 1_000)
    expect(await codeOf(await clients.ann.patch(location, 0, new Uint8Array(10), headers))).toEqual(expected)
    expect(await clients.ann.offset(location)).toBe(0)
  })

  it.each([
    ['none', ''],
    ['zero', '0'],
    ['a negative one', '-1'],
    ['a fraction', '1.5'],
    ['one beyond integers', '99999999999999999'],
    ['text', 'x'],
  ])('is not created with a bad length: %s', async (_what, length) => {
    const { id, clients } = await start()
    expect(await codeOf(await clients.ann.create(id, length))).toEqual([422, 'validation_failed'])
  })

  it('is not created beyond MAX_ATTACHMENT_BYTES', async () => {
    const { id, clients } = await start({ MAX_ATTACHMENT_BYTES: '2000' })
    expect(await codeOf(await clients.ann.create(id, 2_001))).toEqual([413, 'attachment_too_large'])
    expect((await clients.ann.create(id, 2_000)).status).toBe(201)
  })

  it('is not created by an unconfirmed account with UNCONFIRMED=limited', async () => {
    const app = await startApp({ UNCONFIRMED: 'limited' })
    const ann = await app.signUp('ann')
    const alone = { user_ids: [], public_key: {}, private_key: {} }
    const { response: id } = await push(
      ann,
      await ann.join('system:general'),
      'start_group_conversation',
      alone,
    )
    const refused = await new AttachmentClient(app, ann).create(id, 10)
    expect(await codeOf(refused)).toEqual([409, 'email_unconfirmed'])
  })

  it('counts its declared size for 24 hours, also after it was deleted', async () => {
    const { app, id, clients } = await start({ MAX_ATTACHMENTS_PER_DAY: '5000' })
    const location = await clients.ann.begin(id, 3_000)
    expect((await clients.ann.request('DELETE', location)).status).toBe(204)
    await app.database.rows("update attachments set inserted_at = inserted_at - interval '1 hour'", [])
    const refused = await clients.ann.create(id, 2_001)
    expect(refused.headers.get('retry-after')).toBe(String(23 * 60 * 60))
    expect(await codeOf(refused)).toEqual([429, 'attachment_quota_used'])
    expect((await clients.bob.create(id, 5_000)).status).toBe(201)
    expect((await clients.ann.create(id, 2_000)).status).toBe(201)
  })

  it('counts towards the limit when several are created at once', async () => {
    const { id, clients } = await start({ MAX_ATTACHMENTS_PER_DAY: '5000' })
    const all = await Promise.all(Array.from({ length: 6 }, () => clients.ann.create(id, 2_000)))
    expect(all.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429, 429, 429])
  })
})

describe('CORS', () => {
  it('allows the methods and headers of tus, and exposes its response headers', async () => {
    const { app, id } = await start()
    const response = await fetch(`${app.url}/api/conversations/${id}/attachments`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://example.com',
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization,tus-resumable,upload-offset,content-type',
      },
    })
    expect(response.status).toBe(204)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'tus-resumable': '1.0.0',
      'tus-version': '1.0.0',
      'tus-extension': 'creation,termination',
      'tus-max-size': '1075838976',
    })
    expect(response.headers.get('access-control-allow-methods')).toContain('PATCH')
    expect(response.headers.get('access-control-allow-headers')).toContain('upload-offset')
    const plain = await fetch(`${app.url}/api/conversations/${id}/attachments`, {
      method: 'POST',
      headers: { origin: 'https://example.com' },
    })
    const exposed = plain.headers.get('access-control-expose-headers')
    for (const name of [
      'Location',
      'Upload-Offset',
      'Upload-Length',
      'Tus-Resumable',
      'ETag',
      'Content-Range',
    ])
      expect(exposed).toContain(name)
  })
})
