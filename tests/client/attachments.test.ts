import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { registerKeyed } from './support/clients.ts'
import { contentOf, interceptFetch, openChats, streamOf } from './support/files.ts'

const MIB = 1_048_576

async function startTalk() {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  return { app, ann, bob, ...(await openChats(ann, bob)) }
}

it('sends files that members download, whole, as a stream and in ranges', async () => {
  const { hers, his } = await startTalk()
  const received = his.once('message')
  const content = contentOf(200_000)
  const progress: number[] = []
  await hers.sendFiles(
    [
      new File([content], 'notes/café.txt', { type: 'text/plain; charset=utf-8' }),
      { name: 'empty', content: new Uint8Array(0) },
      { name: 'photo.png', type: 'image/png', content: contentOf(70_000) },
    ],
    { text: 'Three files', onProgress: (transferred, total) => progress.push(transferred / total) },
  )
  expect(progress[0]).toBe(0)
  expect(progress.at(-1)).toBe(1)
  expect(progress).toEqual(progress.toSorted((a, b) => a - b))
  const { body } = await received
  expect(body).toMatchObject({
    text: 'Three files',
    files: [
      { name: 'café.txt', type: 'text/plain', size: 200_000 },
      { name: 'empty', type: 'application/octet-stream', size: 0 },
      { name: 'photo.png', type: 'image/png', size: 70_000 },
    ],
  })
  const [text, empty, photo] = await Promise.all(body.files!.map((file) => his.download(file)))
  expect(await text!.bytes()).toEqual(content)
  expect(await empty!.bytes()).toHaveLength(0)
  expect(new Uint8Array(await new Response(text!.stream()).arrayBuffer())).toEqual(content)
  expect(await text!.range(65_000, 140_000)).toEqual(contentOf(140_000, 65_000))
  await expect(text!.range(0, 200_001)).rejects.toMatchObject({ code: 'wrong_size' })
  expect((await photo!.blob()).type).toBe('image/png')
  expect((await text!.blob()).type).toBe('application/octet-stream')
})

it('transfers a large stream in bounded memory', async () => {
  const { hers, his } = await startTalk()
  const size = 72 * MIB + 5
  const sent = createHash('sha256')
  const bodies: number[] = []
  interceptFetch(async ({ headers }, send) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.get('range') ?? '') ?? []
    if (start) bodies.push(Number(end) - Number(start) + 1)
    const response = await send()
    if (response.headers.has('upload-offset')) bodies.push(Number(response.headers.get('upload-offset')))
    return response
  })
  const file = await hers.upload({ name: 'video', content: streamOf(size, sent), size })
  const offsets = bodies.splice(0)
  const pieces = offsets.map((offset, index) => offset - (offsets[index - 1] ?? 0))
  expect(Math.max(...pieces)).toBeLessThan(5 * MIB)
  await hers.send({ type: 'attachment', body: { text: '', files: [file] } })
  const received = createHash('sha256')
  const reader = (await his.download(file)).stream().getReader()
  for (let part = await reader.read(); !part.done; part = await reader.read()) received.update(part.value)
  expect(received.digest('hex')).toBe(sent.digest('hex'))
  expect(bodies.length).toBeGreaterThan(10)
  expect(Math.max(...bodies)).toBeLessThan(5 * MIB)
})

it.each(['before', 'reply'] as const)('continues an upload whose connection is cut: %s', async (at) => {
  const app = await startApp()
  const proxy = await FaultProxy.start(app.url)
  const [ann, bob] = await Promise.all([registerKeyed(proxy, 'ann'), registerKeyed(app, 'bob')])
  const { hers, his } = await openChats(ann, bob)
  const content = contentOf(3 * MIB)
  const cut = proxy.cut('PATCH /api', at)
  const received = his.once('message')
  await hers.sendFiles([{ name: 'a', content }])
  await cut
  const { body } = await received
  expect(Buffer.from(await (await his.download(body.files![0]!)).bytes()).equals(content)).toBe(true)
})

it('sends again what the server has lost', async () => {
  const { hers } = await startTalk()
  const content = contentOf(2 * MIB)
  const offsets: number[] = []
  interceptFetch(async ({ method, headers, body }, send) => {
    if (method !== 'PATCH') return send()
    const offset = Number(headers.get('upload-offset'))
    offsets.push(offset)
    if (offsets.length !== 2 || !(body instanceof Uint8Array)) return send()
    // The node loses what it has confirmed, except for a part of a chunk.
    await send(body.slice(0, 70_000))
    return new Response(null, { status: 204, headers: { 'upload-offset': `${offset + body.length}` } })
  })
  const file = await hers.upload({ name: 'a', content })
  expect(offsets[3]).toBe(offsets[1]! + 70_000)
  expect(Buffer.from(await (await hers.download(file)).bytes()).equals(content)).toBe(true)
})

it('never sends changed content under the same key', async () => {
  const { hers } = await startTalk()
  const content = contentOf(2 * MIB)
  interceptFetch(async ({ method, headers }, send) => {
    if (method === 'HEAD') return new Response(null, { headers: { 'upload-offset': '0' } })
    if (method === 'PATCH' && headers.get('upload-offset') !== '0') {
      content[0] = 1
      throw new TypeError('fetch failed')
    }
    return send()
  })
  await expect(hers.upload({ name: 'a', content })).rejects.toMatchObject({ code: 'source_changed' })
})

it('refuses to read a stream twice', async () => {
  const { hers } = await startTalk()
  interceptFetch(async ({ method, headers }, send) => {
    if (method === 'HEAD') return new Response(null, { headers: { 'upload-offset': '0' } })
    if (method === 'PATCH' && headers.get('upload-offset') !== '0') throw new TypeError('fetch failed')
    return send()
  })
  const upload = hers.upload({ name: 'a', content: streamOf(2 * MIB), size: 2 * MIB })
  await expect(upload).rejects.toMatchObject({ code: 'source_not_repeatable' })
})

it('refuses a stream that is shorter or longer than announced', async () => {
  const { hers } = await startTalk()
  for (const size of [99_999, 100_001]) {
    const upload = hers.upload({ name: 'a', content: streamOf(100_000), size })
    await expect(upload).rejects.toMatchObject({ code: 'wrong_size' })
  }
  await expect(hers.upload({ name: 'a', content: streamOf(1) })).rejects.toMatchObject({
    code: 'size_required',
  })
  await expect(hers.sendFiles([])).rejects.toMatchObject({ code: 'file_count' })
})

it('ends a transfer when its signal is aborted, and when the client is closed', async () => {
  const { ann, hers } = await startTalk()
  const content = contentOf(3 * MIB)
  const deleted: string[] = []
  interceptFetch(async ({ method, url }, send) => {
    if (method === 'DELETE') deleted.push(url)
    return send()
  })
  const controller = new AbortController()
  const options = {
    signal: controller.signal,
    onProgress: (transferred: number) => transferred > 0 && controller.abort(),
  }
  await expect(hers.sendFiles([{ name: 'a', content }], options)).rejects.toMatchObject({
    name: 'AbortError',
  })
  await eventually(() => expect(deleted).toHaveLength(1))

  const file = await hers.upload({ name: 'a', content: contentOf(10) })
  const aborted = await hers.download(file, { signal: AbortSignal.abort() })
  await expect(aborted.bytes()).rejects.toMatchObject({ name: 'AbortError' })
  const closed = hers.upload(
    { name: 'a', content },
    { onProgress: (transferred) => transferred > 0 && void ann.close() },
  )
  await expect(closed).rejects.toMatchObject({ code: 'disconnected' })
})

it('continues a download whose response breaks off', async () => {
  const { hers } = await startTalk()
  const content = contentOf(500_000)
  const file = await hers.upload({ name: 'a', content })
  const ranges: string[] = []
  interceptFetch(async ({ headers }, send) => {
    const range = headers.get('range')
    const response = await send()
    if (!range) return response
    ranges.push(range)
    if (ranges.length > 2) return response
    const part = (await response.arrayBuffer()).slice(0, 100_000)
    let isSent = false
    const body = new ReadableStream({
      pull(controller) {
        if (isSent) return controller.error(new TypeError('terminated'))
        isSent = true
        controller.enqueue(new Uint8Array(part))
      },
    })
    return new Response(body, { status: 206 })
  })
  expect(await (await hers.download(file)).bytes()).toEqual(content)
  expect(ranges).toEqual(['bytes=0-500127', 'bytes=100000-500127', 'bytes=200000-500127'])
})

it('notices an altered byte, a cut file, and another file', async () => {
  const { hers } = await startTalk()
  const content = contentOf(150_000)
  const [file, other] = [await hers.upload({ name: 'a', content }), await hers.upload({ name: 'b', content })]
  await expect((await hers.download({ ...file, id: other.id })).bytes()).rejects.toMatchObject({
    code: 'altered_chunk',
  })
  await expect((await hers.download({ ...file, size: 150_001 })).bytes()).rejects.toMatchObject({
    code: 'wrong_size',
  })
  await expect((await hers.download({ ...file, digest: other.digest })).bytes()).rejects.toMatchObject({
    code: 'altered_file',
  })
  interceptFetch(async (_request, send) => {
    const response = await send()
    const body = new Uint8Array(await response.arrayBuffer())
    if (response.status === 206) body[70_000]! ^= 1
    return new Response(body.length > 0 ? body : null, { status: response.status, headers: response.headers })
  })
  const reader = (await hers.download(file)).stream().getReader()
  expect((await reader.read()).value).toEqual(contentOf(65_536))
  await expect(reader.read()).rejects.toMatchObject({ code: 'altered_chunk' })
  await expect((await hers.download(file)).range(70_000, 140_000)).rejects.toMatchObject({
    code: 'altered_chunk',
  })
})

it('gives files to members, from the time at which a message has them', async () => {
  const app = await startApp()
  const [ann, bob, eve] = await Promise.all(['ann', 'bob', 'eve'].map((name) => registerKeyed(app, name)))
  const hers = await ann!.conversations.startGroup([bob!.user.id])
  const his = await bob!.open(hers.id)
  const file = await hers.upload({ name: 'a', content: contentOf(10) })
  await expect((await his.download(file)).bytes()).rejects.toMatchObject({
    code: 'no_attachment',
    status: 404,
  })
  await hers.send({ type: 'attachment', body: { text: '', files: [file] } })
  expect(await (await his.download(file)).bytes()).toEqual(contentOf(10))
  const outside = eve!.conversations.get(hers.id)
  await expect((await outside.download(file)).bytes()).rejects.toMatchObject({
    code: 'no_conversation',
    status: 403,
  })
  const second = await hers.upload({ name: 'b', content: contentOf(65_536) })
  await hers.send({ type: 'attachment', body: { text: '', files: [second] } })
  const parts: Uint8Array[] = []
  for await (const part of await his.download(second)) parts.push(part)
  expect(parts).toEqual([contentOf(65_536)])
  const deleted = his.once('delete')
  await eventually(() => expect(hers.messages).toHaveLength(2))
  await hers.delete(hers.messages[1]!)
  await deleted
  await expect((await his.download(second)).bytes()).rejects.toMatchObject({ code: 'no_attachment' })
  const edited = his.once('edit')
  const third = await hers.upload({ name: 'c', content: contentOf(10) })
  await hers.send({ type: 'attachment', body: { text: '', files: [third] } })
  await eventually(() => expect(hers.messages.at(-1)?.body.files).toEqual([third]))
  await hers.edit(hers.messages.at(-1)!, 'With a text')
  const withText = { type: 'attachment', body: { text: 'With a text', files: [third] }, problems: [] }
  expect(await edited).toMatchObject(withText)
  expect(await (await his.download(third)).bytes()).toEqual(contentOf(10))
  const replaced = his.once('edit')
  const fourth = await hers.upload({ name: 'd', content: contentOf(20) })
  const withAnother = { type: 'attachment' as const, body: { text: '', files: [fourth] } }
  await hers.edit(hers.messages.at(-1)!, withAnother)
  expect(await replaced).toMatchObject({ ...withAnother, problems: [] })
  await expect((await his.download(third)).bytes()).rejects.toMatchObject({ code: 'no_attachment' })
  expect(await (await his.download(fourth)).bytes()).toEqual(contentOf(20))
  await his.leave()
  await expect((await his.download(file)).bytes()).rejects.toMatchObject({
    code: 'no_conversation',
    status: 403,
  })
  await expect(his.upload({ name: 'b', content: contentOf(10) })).rejects.toMatchObject({ status: 403 })
})
