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

/** Sends requests on one connection, each after the response to the one before. */
export async function exchangeInTurn(url: string, requests: string[]): Promise<RawResponse[]> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ''
  let arrived = () => {}
  socket.on('data', (chunk) => {
    received += chunk
    arrived()
  })
  for (const [index, request] of requests.entries()) {
    const responded = new Promise<void>((resolve) => {
      arrived = () => responsesIn(received).length > index && resolve()
    })
    socket.write(request)
    await responded
  }
  socket.destroy()
  return responsesIn(received)
}

/** A request as text. The server ends the connection after the last one, which has `Connection: close`. */
export function requestText(line: string, headers: Record<string, string> = {}, body = ''): string {
  const length = body ? { 'content-length': String(Buffer.byteLength(body)) } : {}
  const fields = Object.entries({ host: 'localhost', ...headers, ...length })
  return `${line} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
}

/** The responses that have arrived completely. */
function responsesIn(text: string): RawResponse[] {
  const responses: RawResponse[] = []
  for (let rest = text; rest.includes('\r\n\r\n'); ) {
    const start = rest.indexOf('\r\n\r\n') + 4
    const head = rest.slice(0, start)
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
    if (rest.length < start + length) break
    responses.push({ status: Number(head.split(' ')[1]), head, body: rest.slice(start, start + length) })
    rest = rest.slice(start + length)
  }
  return responses
}
