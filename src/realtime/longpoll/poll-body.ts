/** A frame that a client posted. */
export interface PostedFrame {
  data: Buffer
  isBinary: boolean
}

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d
const WHITESPACE = new Set(Buffer.from(' \t\r\n'))
const ARRAY = '['.charCodeAt(0)
const OBJECT = '{'.charCodeAt(0)
/** The first byte of a binary push (see `protocol/binary.ts`), which no text frame begins with. */
const BINARY_PUSH = 0

/** More frames of a batch are ignored, as in Phoenix. */
const MAX_BATCH_FRAMES = 100

/** Reads the frames of a request body lazily. A batch has one frame per line, any other body is one frame. */
export function* framesOf(body: Buffer, isBatch: boolean): Iterable<PostedFrame> {
  let count = 0
  for (const part of isBatch ? linesOf(body) : [body]) {
    if (part.length === 0) continue
    if (++count > MAX_BATCH_FRAMES) return
    yield frameOf(part)
  }
}

/** Text frames are arrays or objects. phoenix.js encodes binary frames as base64; before 1.7 it sent the bytes. */
function frameOf(part: Buffer): PostedFrame {
  const first = part.find((byte) => !WHITESPACE.has(byte))
  if (first === ARRAY || first === OBJECT) return { data: part, isBinary: false }
  if (part[0] === BINARY_PUSH) return { data: part, isBinary: true }
  return { data: Buffer.from(part.toString('latin1'), 'base64'), isBinary: true }
}

function* linesOf(body: Buffer): Iterable<Buffer> {
  for (let start = 0; start < body.length; start++) {
    if (body[start] === NEWLINE) continue
    const newline = body.indexOf(NEWLINE, start)
    const end = newline < 0 ? body.length : newline
    yield body.subarray(start, body[end - 1] === CARRIAGE_RETURN ? end - 1 : end)
    start = end
  }
}
