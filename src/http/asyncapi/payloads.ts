import { type TObject, type TSchema, Type } from 'typebox'
import { AppError, type ErrorCode } from '../../errors.ts'
import { InvalidPayload, RetryLater } from '../../schemas/events/protocol.ts'
import type { ErrorResponses, PushDescription, TopicDescription } from './description.ts'

const TOKEN = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9…'
const Token = Type.String({ description: 'The access token.' })

/** The payload of a push, with its token. */
export function pushPayload({ token }: TopicDescription, { payload }: PushDescription): TSchema {
  if (token === 'none' || !('properties' in payload)) return payload
  const { properties } = payload as TObject
  return Type.Object({ token: token === 'required' ? Token : Type.Optional(Token), ...properties })
}

/** The examples of a payload, with its token. */
export function pushExamples({ token }: TopicDescription, { examples }: PushDescription): unknown[] {
  if (token !== 'required') return examples
  return examples.map((example) => ({ token: TOKEN, ...(example as object) }))
}

/** The sentence of `docs/protocol.md` about a bare string, or that of the error. */
export function ruleSentence(code: ErrorCode): string {
  return RULES[code] ?? new AppError(code).message
}

const RULES: Partial<Record<ErrorCode, string>> = {
  invalid_token: 'The token is missing, expired, or that of another user.',
  unauthorized: 'The token is missing, expired, or that of another user.',
  no_conversation: 'The conversation does not exist, or the user is not a member.',
  no_message: 'The message does not exist, or was deleted.',
}

/** The response of an error reply. */
export function errorResponse({ codes, reasons }: ErrorResponses): TSchema {
  const rules = codes.map((code) => Type.Literal(code, { description: ruleSentence(code) }))
  const objects = Object.entries(reasons).map(([reason, description]) =>
    Type.Object({ reason: Type.Literal(reason) }, { description }),
  )
  return Type.Union([...rules, InvalidPayload, RetryLater, ...objects])
}

/** An example of each kind of error response. */
export function errorExamples({ codes, reasons }: ErrorResponses): unknown[] {
  return [
    ...codes,
    { reason: 'invalid_payload', errors: { payload: ['must be an object'] } },
    { reason: 'rate_limited', retry_after_ms: 250 },
    ...Object.keys(reasons).map((reason) => ({ reason })),
  ]
}
