import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { onTestFinished } from 'vitest'

interface Received {
  to: string
  subject: string
  text: string
  html: string
}

/** Starts an SMTP server on loopback. It is closed when the test has finished. */
export async function openSmtpServer() {
  const emails: Received[] = []
  let isRejecting = false
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _session, done) {
      done(isRejecting ? Object.assign(new Error(`<${address}> is unknown`), { responseCode: 550 }) : null)
    },
    onData(stream, { envelope }, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk) => chunks.push(chunk))
      stream.on('end', () => {
        const to = envelope.rcptTo.map(({ address }) => address).join(', ')
        emails.push({ to, ...readMessage(Buffer.concat(chunks).toString()) })
        done()
      })
    },
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    received: () => emails,
    refuse() {
      isRejecting = true
    },
  }
}

/** Parses the MIME (RFC 2045, 2046) that our emails use: two parts, plain or quoted-printable. */
function readMessage(raw: string): Omit<Received, 'to'> {
  const subject = /^Subject: (.*)$/m.exec(raw)?.[1]?.trim() ?? ''
  const boundary = /boundary="([^"]+)"/.exec(raw)?.[1]
  const parts = boundary ? raw.split(`--${boundary}`) : []
  const part = (type: string) => decode(parts.find((one) => one.includes(`Content-Type: ${type}`)) ?? '')
  return { subject, text: part('text/plain'), html: part('text/html') }
}

function decode(part: string): string {
  const [head = '', ...body] = part.split('\r\n\r\n')
  const text = body.join('\r\n\r\n')
  const plain = /quoted-printable/i.test(head)
    ? text
        .replace(/=\r\n/g, '')
        .replace(/=([0-9A-F]{2})/g, (_match, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    : text
  return plain.replaceAll('\r\n', '\n')
}
