import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { FilePart } from '../support/tampering-proxy.ts'
import { contentOf } from './support/files.ts'
import { startTalk } from './support/malicious-server.ts'

it.each<{ what: string; code: string; change: (part: FilePart, other: FilePart) => FilePart }>([
  { what: 'alters a byte of a file', code: 'altered_chunk', change: altered },
  { what: 'serves another file', code: 'altered_chunk', change: (_part, other) => other },
  { what: 'cuts off the end of a file', code: 'wrong_size', change: truncated },
])('downloads no file when the server $what', async ({ code, change }) => {
  const { proxy, hers, his } = await startTalk()
  const content = contentOf(150_000)
  await hers.sendFiles([
    { name: 'a', content },
    { name: 'b', content },
  ])
  await eventually(() => expect(his.messages).toHaveLength(3))
  const [file, other] = his.messages[2]!.body.files!
  const parts: FilePart[] = []
  proxy.tampering.file = (_path, part) => {
    parts.push(part)
    return part
  }
  expect(await (await his.download(other!)).bytes()).toEqual(content)
  proxy.tampering.file = (_path, part) => change(part, parts[0]!)
  const download = await his.download(file!)
  await expect(download.bytes()).rejects.toMatchObject({ code })
  await expect(download.range(70_000, 149_000)).rejects.toMatchObject({ code })
})

function altered({ bytes, contentRange }: FilePart): FilePart {
  const changed = Buffer.from(bytes)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = changed[middle]! ^ 1
  return { bytes: changed, contentRange }
}

function truncated({ bytes, contentRange }: FilePart): FilePart {
  const [range, size] = contentRange.split('/')
  return { bytes: bytes.subarray(0, bytes.length - 1), contentRange: `${range}/${Number(size) - 1}` }
}
