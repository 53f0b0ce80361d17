import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { describeDatabaseFailure } from '../../domain/shared/database-failure.ts'
import { AppError, type ErrorCode, type FieldErrors } from '../../errors.ts'
import { requestFields } from '../../input/field-names.ts'
import { fieldErrors } from '../../input/validation.ts'
import { wantsHtml } from '../content-negotiation.ts'
import { errorSerializer, requestSerializer } from '../logging.ts'
import { sendPage } from '../pages/layout.ts'
import { problemPage } from '../pages/problem.ts'

const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_BAD_URL: 'bad_request',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_NOT_FOUND: 'not_found',
}

/** The `Retry-After` of errors without a `retryAfterMs`. */
const DEFAULT_RETRY_DELAY_MS = 1_000

/**
 * Converts the errors of all routes to HTTP responses. A browser that loads a page gets an HTML page, every other client gets the
 * error body of the API.
 */
export function handleErrors(app: FastifyInstance, publicUrl: string): void {
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, publicUrl))
  app.setNotFoundHandler((request, reply) => sendError(new AppError('not_found'), request, reply, publicUrl))
}

/** Sends an error response. Unexpected errors are logged, and their details are not sent. */
export function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  publicUrl: string,
): FastifyReply {
  const failure = asAppError(error)
  if (!failure) {
    logFailure(request, 'error', 'Request failed', error)
  } else if (failure.cause !== undefined && failure.status >= 500) {
    logFailure(request, 'warn', 'Request could not be served', failure)
  }
  if (failure?.status === 429 || failure?.status === 503 || failure?.retryAfterMs !== undefined) {
    const delayMs = failure.retryAfterMs ?? DEFAULT_RETRY_DELAY_MS
    reply.header('retry-after', Math.max(1, Math.ceil(delayMs / 1000)))
  }
  const { status, body } = failure ? { status: failure.status, body: errorBody(failure) } : INTERNAL_ERROR
  reply.code(status)
  if (!wantsHtml(request)) return reply.send(body)
  return sendPage(reply, problemPage(status, body.error), publicUrl)
}

const INTERNAL_ERROR = {
  status: 500,
  body: { error: { code: 'internal_error', message: 'Something went wrong.' } },
}

/** The body of an error response. */
export function errorBody({ code, message, status, fields }: AppError) {
  return { error: { code, message }, ...(status === 422 && { errors: fields ?? {} }) }
}

/** The error that is sent to the client; undefined for a bug. */
export function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error.fields ? withFields(error, requestFields(error.fields)) : error
  const unavailable = describeDatabaseFailure(error)
  if (unavailable) return unavailable
  if (!(error instanceof Error)) return undefined
  const { code, statusCode = 500, validation, validationContext } = error as FastifyError
  if (validation) {
    const whole = validationContext === 'body' ? 'body' : 'query'
    return withFields(new AppError('validation_failed'), fieldErrors(validation, whole))
  }
  const known = FASTIFY_CODES[code]
  if (known) return new AppError(known)
  return statusCode >= 400 && statusCode < 500 ? new AppError(codeOfStatus(statusCode)) : undefined
}

/** The error with the fields of the request. Its message ends with the first of them: some clients show nothing else. */
function withFields({ code, message, cause }: AppError, fields: FieldErrors): AppError {
  const [first] = Object.entries(fields)
  if (!first) return new AppError(code, { message, fields, cause })
  const [name, errors] = first
  const problem = `${name.replaceAll('_', ' ')} ${errors[0]}`
  return new AppError(code, { message: `${message.replace(/\.$/, '')}: ${problem}.`, fields, cause })
}

function codeOfStatus(status: number): ErrorCode {
  return status === 404 ? 'not_found' : status === 413 ? 'payload_too_large' : 'bad_request'
}

function logFailure(request: FastifyRequest, level: 'warn' | 'error', message: string, error: unknown): void {
  const { method, path } = requestSerializer(request)
  request.log[level]({ method, path, cause: errorSerializer(error) }, message)
}
