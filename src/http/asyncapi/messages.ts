import { type TSchema, Type } from 'typebox'
import {
  type EventDescription,
  type EventKind,
  eventName,
  type PushDescription,
  pushName,
  type TopicDescription,
} from './description.ts'
import { errorExamples, errorResponse, pushExamples, pushPayload } from './payloads.ts'
import type { JsonSchema, SchemaCollector } from './schemas.ts'

/** The first four elements of a frame. */
export interface Headers {
  join_ref: string | null
  ref: string | null
  topic: string
  event: string
}

/** The headers of the examples: a join has the ref 1, and a push in its channel the ref 2. */
export function pushHeaders({ exampleTopic: topic, join }: TopicDescription, event: string): Headers {
  if (!join) return { join_ref: null, ref: '2', topic, event }
  return { join_ref: '1', ref: event === 'phx_join' ? '1' : '2', topic, event }
}

/** The headers of an event in the examples. */
export function eventHeaders(
  { exampleTopic: topic }: TopicDescription,
  { event, kind }: EventDescription,
): Headers {
  const isForAll = kind === 'broadcast' || kind === 'both'
  return { join_ref: isForAll ? null : '1', ref: kind === 'end' ? '1' : null, topic, event }
}

/** Builds the messages of a document. */
export class MessageFactory {
  readonly #schemas: SchemaCollector

  constructor(schemas: SchemaCollector) {
    this.#schemas = schemas
  }

  /** A push and its replies, by name. */
  ofPush(topic: TopicDescription, push: PushDescription): [name: string, message: JsonSchema][] {
    const { event, summary, contentType, metadata, reply, replyExamples, errors } = push
    const name = pushName(push)
    const headers = pushHeaders(topic, event)
    const sent = this.#message(topic, {
      event,
      summary,
      headers,
      payload: pushPayload(topic, push),
      examples: pushExamples(topic, push),
    })
    const messages: [string, JsonSchema][] = [
      [
        name,
        {
          ...sent,
          ...(contentType && { contentType }),
          ...(metadata && { 'x-metadata': this.#schemas.convert(metadata) }),
        },
      ],
    ]
    const answer = (status: 'ok' | 'error', response: TSchema, examples: unknown[]) =>
      messages.push([
        `${name}.${status}`,
        {
          ...this.#message(topic, {
            event: 'phx_reply',
            summary: status === 'ok' ? `${event} succeeded.` : `${event} failed.`,
            headers: { ...headers, event: 'phx_reply' },
            payload: Type.Object({ status: Type.Literal(status), response }),
            examples: examples.map((example) => ({ status, response: example })),
          }),
          correlationId: { description: 'The `ref` of the push.', location: '$message.header#/ref' },
        },
      ])
    if (reply) answer('ok', reply, replyExamples)
    if (errors) answer('error', errorResponse(errors), errorExamples(errors))
    return messages
  }

  /** An event of the server, by name. */
  ofEvent(topic: TopicDescription, description: EventDescription): [name: string, message: JsonSchema] {
    const headers = eventHeaders(topic, description)
    return [eventName(description), this.#message(topic, { ...description, headers })]
  }

  #message(
    { server }: TopicDescription,
    { event, summary, headers, payload, examples, kind }: MessageDetails,
  ): JsonSchema {
    const hasEnvelope = server === 'socket'
    return {
      name: event,
      summary,
      ...(hasEnvelope && { headers: headersSchema(headers, kind) }),
      payload: this.#schemas.convert(payload),
      examples: examples.map((example) => ({ ...(hasEnvelope && { headers }), payload: example })),
    }
  }
}

interface MessageDetails {
  event: string
  summary: string
  headers: Headers
  payload: TSchema
  examples: unknown[]
  kind?: EventKind
}

const REF = { type: ['string', 'number', 'null'] }

/** Null in the examples means that it is always null, unless an event is of both kinds. */
function headersSchema({ join_ref, ref, event }: Headers, kind?: EventKind): JsonSchema {
  return {
    type: 'object',
    required: ['join_ref', 'ref', 'topic', 'event'],
    properties: {
      join_ref: join_ref === null && kind !== 'both' ? { type: 'null' } : REF,
      ref: ref === null ? { type: 'null' } : REF,
      topic: { type: 'string' },
      event: { const: event },
    },
  }
}
