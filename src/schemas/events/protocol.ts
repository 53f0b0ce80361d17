import { type Static, Type } from 'typebox'
import { eventComponent } from '../components.ts'

/** The response of an error reply to a malformed payload. */
export const InvalidPayload = eventComponent(
  'InvalidPayload',
  Type.Object(
    {
      reason: Type.Literal('invalid_payload'),
      errors: Type.Record(Type.String(), Type.Array(Type.String()), {
        description: 'Sentences for people, by field.',
      }),
    },
    { description: 'The payload is malformed.' },
  ),
)
export type InvalidPayload = Static<typeof InvalidPayload>

/** The response of an error reply to a push that may be repeated later. */
export const RetryLater = eventComponent(
  'RetryLater',
  Type.Object(
    {
      reason: Type.Enum(['rate_limited', 'busy']),
      retry_after_ms: Type.Integer({ description: 'How long to wait before the next attempt.' }),
    },
    { description: 'A rate limit is exceeded, or the server is overloaded.' },
  ),
)
export type RetryLater = Static<typeof RetryLater>

/** The payload of `phx_error`. */
export const PhxErrorEvent = eventComponent(
  'PhxErrorEvent',
  Type.Object({ reason: Type.Literal('channel_crash') }),
)
export type PhxErrorEvent = Static<typeof PhxErrorEvent>
