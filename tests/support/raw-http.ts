import { once } from 'node:events'
import { connect } from 'node:net'

/** A response as it arrived. */
export interface RawResponse {
  status: number
  head: string
  body: string
}

/** Sends bytes to a server, on a connection of their own, and reads the responses until the server ends it. */
export async function exchange(url: string, bytes: string | Buffer): Promise<RawResponse[]> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(bytes)
  await once(socket, 'end')
  socket.destroy()
  return responsesIn(Buffer.concat(chunks).toString())
}

/** A request as text. The server ends the connection after the last one, which has `Connection: close`. */
export function requestText(line: string, headers: Record<string, string> = {}, body = ''): string {
  const length = body ? { 'content-length': String(Buffer.byteLength(body)) } : {}
  const fields = Object.entries({ host: 'localhost', ...headers, ...length })
  return `${line} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

function responsesIn(text: string): RawResponse[] {
  const responses: RawResponse[] = []
  for (let rest = text; rest.length > 0; ) {
    const start = rest.indexOf('\r\n\r\n') + 4
    const head = rest.slice(0, start)
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
    responses.push({ status: Number(head.split(' ')[1]), head, body: rest.slice(start, start + length) })
    rest = rest.slice(start + length)
  }
  return responses
}
