import { type IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'

const heads = new WeakMap<IncomingMessage, Buffer>()

/**
 * Gives a request for an upgrade to the router. A route that answers it in the usual way has not taken the connection,
 * which then ends.
 * @param head what was already read after the request.
 */
export function routeUpgrade(app: FastifyInstance, request: IncomingMessage, head: Buffer): void {
  const { socket } = request
  socket.on('error', () => socket.destroy())
  const response = new ServerResponse(request)
  response.on('finish', () => socket.destroySoon())
  try {
    response.assignSocket(socket)
  } catch {
    // An earlier request on the connection is not answered yet.
    return void socket.destroy()
  }
  heads.set(request, head)
  app.routing(request, response)
}

/** Takes the connection of a request over from HTTP. @returns what was already read, or undefined: no upgrade was asked for. */
export function takeUpgrade(
  { raw: request }: { raw: IncomingMessage },
  reply: FastifyReply,
): Buffer | undefined {
  const head = heads.get(request)
  if (!head) return undefined
  reply.hijack()
  reply.raw.detachSocket(request.socket)
  return head
}
