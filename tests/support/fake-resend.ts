import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

interface Received {
  from: string
  to: string
  subject: string
  text: string
  html: string
  authorization: string | undefined
  idempotencyKey: string | undefined
}

/** Starts a fake of the HTTP API of Resend on loopback. It is closed when the test has finished. */
export async function startFakeResend() {
  const emails: Received[] = []
  let isRejecting = false
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Pick<Received, 'from' | 'to' | 'subject' | 'text' | 'html'>
    const { authorization, 'idempotency-key': idempotencyKey } = request.headers
    const isValid = request.method === 'POST' && request.url === '/emails'
    response.setHeader('content-type', 'application/json')
    if (!isValid || isRejecting) {
      response.statusCode = 422
      const message = `Invalid \`to\` field: ${body.to}`
      response.end(JSON.stringify({ statusCode: 422, name: 'validation_error', message }))
      return
    }
    emails.push({ ...body, authorization, idempotencyKey: idempotencyKey as string | undefined })
    response.end(JSON.stringify({ id: '49a3999c-0ce1-4ea6-ab68-afcd6dc2e794' }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received: () => emails,
    refuse() {
      isRejecting = true
    },
  }
}
