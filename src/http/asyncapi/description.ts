import type { Static, TSchema } from 'typebox'
import type { ErrorCode } from '../../errors.ts'

/** An event of a client, and the replies to it. */
export interface PushDescription {
  /** Names it in the document; the event if absent. */
  key?: string
  event: string
  summary: string
  payload: TSchema
  /** The media type of the payload, if it is not JSON. */
  contentType?: string
  /** The schema of the JSON at the start of a binary payload. */
  metadata?: TSchema
  /** At least one. */
  examples: unknown[]
  /** The response of an ok reply; undefined where nothing is answered. */
  reply: TSchema | undefined
  replyExamples: unknown[]
  /** Undefined where there are no error replies. */
  errors: ErrorResponses | undefined
}

/** An event of the server. */
export interface EventDescription {
  event: string
  summary: string
  payload: TSchema
  examples: unknown[]
  kind: EventKind
}

/** Whether an event goes to all who have joined, to one client, to both, or to one client as the last of a topic. */
export type EventKind = 'broadcast' | 'push' | 'both' | 'end'

/** The name of a push in the document. */
export function pushName({ key, event }: PushDescription): string {
  return `push.${key ?? event}`
}

/** The name of an event of the server in the document. */
export function eventName({ event }: EventDescription): string {
  return `event.${event}`
}

/** The responses of error replies, besides those to malformed payloads and exceeded limits. */
export interface ErrorResponses {
  /** Bare strings. */
  codes: ErrorCode[]
  /** Objects `{reason}`, with what each means. */
  reasons: Record<string, string>
}

/** A topic of the multiplexed socket, or a socket of its own. */
export interface TopicDescription {
  /** Names it in the document. */
  key: string
  address: string
  /** The topic in examples. */
  exampleTopic: string
  title: string
  description: string
  /** The variable parts of the address, with what each is. */
  parameters: Record<string, string>
  server: 'socket' | 'roomSocket'
  /** Whether payloads of clients have the access token. */
  token: 'required' | 'optional' | 'none'
  /** Absent where nothing is joined. */
  join?: PushDescription
  pushes: PushDescription[]
  events: EventDescription[]
}

interface PushDetails<Payload, Response> {
  summary: string
  examples: [Payload, ...Payload[]]
  replies: [Response, ...Response[]]
  /** The rules that it may break. */
  rules?: ErrorCode[]
}

/** What the server sends as one event. */
export interface EventDetails<Payload extends TSchema> {
  summary: string
  examples: [Static<Payload>, ...Static<Payload>[]]
  /** `broadcast` if absent. */
  kind?: EventKind
}

/** Describes what clients push to a topic, in the order of `payloads`. */
export function describePushes<
  Payloads extends Record<string, TSchema>,
  Responses extends { [Event in keyof Payloads]: TSchema },
>(
  payloads: Payloads,
  responses: Responses,
  details: {
    [Event in keyof Payloads]: PushDetails<Static<Payloads[Event]>, Static<Responses[Event]>>
  },
): PushDescription[] {
  return Object.entries(payloads).map(([event, payload]) => {
    const { summary, examples, replies, rules = [] } = details[event as keyof Payloads]
    return {
      event,
      summary,
      payload,
      examples,
      reply: responses[event as keyof Payloads],
      replyExamples: replies,
      errors: { codes: ['invalid_token', ...rules], reasons: UNMATCHED },
    }
  })
}

/** Describes what the server sends on a topic, in the order of `payloads`. */
export function describeEvents<Payloads extends Record<string, TSchema>>(
  payloads: Payloads,
  details: { [Event in keyof Payloads]: EventDetails<Payloads[Event]> },
): EventDescription[] {
  return Object.entries(payloads).map(([event, payload]) => ({
    event,
    payload,
    kind: 'broadcast' as const,
    ...details[event as keyof Payloads],
  }))
}

/** Describes the join of a topic. `reasons` are those of its own. */
export function describeJoin<Payload extends TSchema, Response extends TSchema>(
  payload: Payload,
  reply: Response,
  {
    summary,
    examples,
    replies,
    codes = [],
    reasons = {},
  }: {
    summary: string
    examples: [Static<Payload>, ...Static<Payload>[]]
    replies: [Static<Response>, ...Static<Response>[]]
    codes?: ErrorCode[]
    reasons?: Record<string, string>
  },
): PushDescription {
  return {
    event: 'phx_join',
    summary,
    payload,
    examples,
    reply,
    replyExamples: replies,
    errors: { codes, reasons: { ...reasons, ...JOIN_REASONS } },
  }
}

const UNMATCHED = { 'unmatched topic': 'The topic is not joined.' }

const JOIN_REASONS = {
  'too many channels joined': 'The connection has joined `MAX_CHANNELS` topics.',
  'join crashed': 'A bug in the server, which logs it. Try again later.',
}
