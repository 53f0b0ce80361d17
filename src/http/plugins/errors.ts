import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { databaseTrouble } from '../../domain/database-trouble.ts'
import { AppError, type ErrorCode } from '../../errors.ts'
import { fieldErrors } from '../../validation.ts'
import { errorSerializer, requestSerializer } from '../logging.ts'

const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_BAD_URL: 'bad_request',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_NOT_FOUND: 'not_found',
}

/** Milliseconds after which to try again, when whoever refused did not say. */
const DEFAULT_RETRY_MS = 1_000

/** Makes every failure of every route the contract's error body: the one place where errors become HTTP. */
export function handleErrors(app: FastifyInstance): void {
  app.setErrorHandler(sendError)
  app.setNotFoundHandler((request, reply) => sendError(new AppError('not_found'), request, reply))
}

/**
 * Answers with the error a client may see, and logs what it may not.
 * @param show sends a failure in another form than the usual body.
 */
export function sendError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  show = (failure: AppError) => reply.send(errorBody(failure)),
): FastifyReply {
  const failure = asAppError(error)
  if (!failure) {
    logFailure(request, 'error', 'a request failed unexpectedly', error)
    return reply.code(500).send({ error: { code: 'internal_error', message: 'Something went wrong.' } })
  }
  if (failure.cause !== undefined && failure.status >= 500) {
    logFailure(request, 'warn', 'a request could not be served', failure)
  }
  if (failure.status === 429 || failure.status === 503) {
    reply.header('retry-after', Math.max(1, Math.ceil((failure.retryAfterMs ?? DEFAULT_RETRY_MS) / 1000)))
  }
  reply.code(failure.status)
  return show(failure)
}

/** The body that tells a failure. */
export function errorBody({ code, message, status, fields }: AppError) {
  return { error: { code, message }, ...(status === 422 && { errors: fields ?? {} }) }
}

/** The failure a client may be told; undefined for a bug. */
export function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error
  const trouble = databaseTrouble(error)
  if (trouble) return trouble
  if (!(error instanceof Error)) return undefined
  const { code, statusCode = 500, validation, validationContext } = error as FastifyError
  if (validation) {
    const whole = validationContext === 'body' ? 'body' : 'query'
    return new AppError('validation_failed', { fields: fieldErrors(validation, whole) })
  }
  const known = FASTIFY_CODES[code]
  if (known) return new AppError(known)
  return statusCode >= 400 && statusCode < 500 ? new AppError(codeOfStatus(statusCode)) : undefined
}

function codeOfStatus(status: number): ErrorCode {
  return status === 404 ? 'not_found' : status === 413 ? 'payload_too_large' : 'bad_request'
}

function logFailure(request: FastifyRequest, level: 'warn' | 'error', message: string, error: unknown): void {
  const { method, path } = requestSerializer(request)
  request.log[level]({ method, path, cause: errorSerializer(error) }, message)
}
