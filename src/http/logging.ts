import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'

/** The one line a request leaves in the log, at debug level: never a query string, a header or a body. */
export class RequestLog extends LogController {
  override incomingRequest(): void {}

  override requestCompleted(_error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply) {
    request.log.debug(
      { ...requestSerializer(request), status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    )
  }
}

/** The links of letters have their token in the path. */
const TOKEN_IN_PATH = /(\/verify-email\/complete\/)[^/]+/

/** A request as the log may show it: a query string can hold a token. */
export function requestSerializer({ method, url, ip }: Pick<FastifyRequest, 'method' | 'url' | 'ip'>) {
  return { method, path: url.split('?', 1)[0]?.replace(TOKEN_IN_PATH, '$1[token]'), ip }
}

/**
 * An error as the log may show it: its innermost cause, and where each error of the chain was thrown. What drivers hang on
 * an error (statement, parameters, the row in question) stays out, and so do the messages that repeat them.
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

/** What pino blanks wherever it is logged as a field, as a second defence. */
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
