import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'

/** Logs one line per request at debug level, without query string, headers and body. */
export class RequestLog extends LogController {
  override incomingRequest(): void {}

  override requestCompleted(_error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply) {
    request.log.debug(
      { ...requestSerializer(request), status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    )
  }
}

/** Links in emails have the token in the path. */
const TOKEN_IN_PATH = /(\/(?:verify-email\/complete|register\/deny)\/)[^/]+/

/** The loggable part of a request. Query strings can contain tokens, so they are left out. */
export function requestSerializer({ method, url, ip }: Pick<FastifyRequest, 'method' | 'url' | 'ip'>) {
  return { method, path: url.split('?', 1)[0]?.replace(TOKEN_IN_PATH, '$1[token]'), ip }
}

/**
 * The loggable part of an error: its innermost cause, and the stack of each error in the chain. The statement, parameters and row
 * that database drivers attach are left out, and so are the messages that repeat them.
 */
export function errorSerializer(error: unknown): object {
  const chain = causes(error)
  const root = chain.at(-1)
  if (!(root instanceof Error))
    return { message: typeof root === 'string' ? root : `a thrown ${typeof root}` }
  const { code } = root as NodeJS.ErrnoException
  const stack = chain.flatMap((link) => (link instanceof Error ? stackLines(link) : []))
  return { type: root.name, message: root.message, ...(code !== undefined && { code }), stack }
}

/** The pino serializers of the whole process. */
export const logSerializers = { req: requestSerializer, err: errorSerializer, error: errorSerializer }

/** Fields that pino redacts, as a second line of defence. */
export const redactedPaths = [
  ...['token', 'otp_token', 'access', 'refresh', 'recovery_codes', 'password'],
  ...['email', 'content', 'authorization', 'cookie'],
].flatMap((name) => [name, `*.${name}`])

function causes(error: unknown): unknown[] {
  const chain = [error]
  let last = error
  while (last instanceof Error && last.cause !== undefined && chain.length < 8) {
    last = last.cause
    chain.push(last)
  }
  return chain
}

function stackLines({ stack }: Error): string[] {
  const lines = stack?.split('\n') ?? []
  return lines.filter((line) => /^ {4}at /.test(line)).map((line) => line.trim())
}
