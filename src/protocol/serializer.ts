import {
  decodeBinaryBroadcast,
  decodeBinaryPush,
  encodeBinaryBroadcast,
  encodeBinaryPush,
  encodeBinaryReply,
} from './binary.ts'
import { cutHeavyParts } from './json-weight.ts'
import { isInexact, parseExactly } from './large-integers.ts'
import {
  type Broadcast,
  type ClientMessage,
  EncodedJson,
  MalformedFrame,
  type Push,
  type Ref,
  type Reply,
  UNPARSED,
} from './messages.ts'

/** One version of the Phoenix wire format. Text frames are strings, binary frames bytes. */
export interface Serializer {
  /**
   * @param maxWeight the maximum weight of the JSON (see `cutHeavyParts`). A heavier payload becomes `UNPARSED`; with 0, every
   * payload that is an object or an array.
   * @throws MalformedFrame
   */
  decode(frame: string | Uint8Array, maxWeight?: number): ClientMessage
  encodeReply(reply: Reply): string | Uint8Array
  encodePush(push: Push): string | Uint8Array
  encodeBroadcast(broadcast: Broadcast): string | Uint8Array
}

/** Version 2: arrays `[join_ref, ref, topic, event, payload]`, and binary frames for binary payloads. */
export const v2: Serializer = {
  decode(frame, maxWeight) {
    if (typeof frame !== 'string') return decodeBinaryPush(frame)
    return decodeText(frame, readArray, maxWeight)
  },
  encodeReply(reply) {
    const { joinRef, ref, topic, status, response } = reply
    if (response instanceof Uint8Array) return encodeBinaryReply(reply, response)
    return encodeArray([joinRef, ref, topic, 'phx_reply', { status, response }])
  },
  encodePush(push) {
    if (push.payload instanceof Uint8Array) return encodeBinaryPush(push, push.payload)
    if (push.payload instanceof EncodedJson) {
      const head = encodeArray([push.joinRef, push.ref, push.topic, push.event])
      return `${head.slice(0, -1)},${push.payload.text}]`
    }
    return encodeArray([push.joinRef, push.ref, push.topic, push.event, push.payload])
  },
  encodeBroadcast(broadcast) {
    if (broadcast.payload instanceof Uint8Array) return encodeBinaryBroadcast(broadcast, broadcast.payload)
    const { topic, event, payload } = broadcast
    if (payload instanceof EncodedJson) {
      return `[null,null,${JSON.stringify(topic)},${JSON.stringify(event)},${payload.text}]`
    }
    return JSON.stringify([null, null, topic, event, payload])
  },
}

/** Decodes the result of `v2.encodeBroadcast`: a binary message, or the bytes of a text message. */
export function decodeBroadcast(message: Buffer): Broadcast {
  // Text messages are JSON arrays.
  if (message[0] !== 0x5b) return decodeBinaryBroadcast(message)
  const [, , topic, event, payload] = JSON.parse(message.toString())
  return { topic, event, payload }
}

/** Version 1: objects of `topic, event, payload, ref`, and of `join_ref` from some clients. Binary frames contain the same JSON. */
export const v1: Serializer = {
  decode(frame, maxWeight) {
    return decodeText(
      typeof frame === 'string' ? frame : Buffer.from(frame).toString(),
      readObject,
      maxWeight,
    )
  },
  encodeReply: ({ ref, topic, status, response }) =>
    encodeObject({ topic, event: 'phx_reply', payload: { status, response: toJson(response) } }, ref),
  encodePush({ ref, topic, event, payload }) {
    if (!(payload instanceof EncodedJson))
      return encodeObject({ topic, event, payload: toJson(payload) }, ref)
    const head = encodeObject({ topic, event }, ref)
    return `${head.slice(0, -1)},"payload":${payload.text}}`
  },
  encodeBroadcast: (broadcast) => v1.encodePush({ ...broadcast, joinRef: null, ref: null }),
}

const v2Text: Serializer = {
  decode: v2.decode,
  encodeReply: (reply) => v2.encodeReply({ ...reply, response: toJson(reply.response) }),
  encodePush: (push) => v2.encodePush({ ...push, payload: toJson(push.payload) }),
  encodeBroadcast: (broadcast) => v2.encodeBroadcast({ ...broadcast, payload: toJson(broadcast.payload) }),
}

/** The serializer for transports that send text only: it encodes binary payloads as base64. It still decodes binary frames. */
export function textOnly(serializer: Serializer): Serializer {
  return serializer === v2 ? v2Text : serializer
}

/** The serializer for a `vsn` parameter: 1.0.x, 2.0.x, or none for 1.0.0; undefined for an unsupported version. */
export function chooseSerializer(vsn: string | undefined): Serializer | undefined {
  const [, major] = /^([12])\.0\.(?:0|[1-9]\d*)$/.exec(vsn ?? '1.0.0') ?? []
  return major === '2' ? v2 : major === '1' ? v1 : undefined
}

/** The fields of a message before they are checked. */
type Fields = Record<keyof ClientMessage, unknown>

function readArray(json: unknown): Fields {
  if (!Array.isArray(json) || json.length < 5)
    throw new MalformedFrame('not an array of five or more elements')
  const [joinRef, ref, topic, event, payload] = json
  return { joinRef, ref, topic, event, payload }
}

function readObject(json: unknown): Fields {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new MalformedFrame('not an object')
  const { ref = null, join_ref: joinRef, topic, event, payload } = json as Record<string, unknown>
  if (payload === undefined) throw new MalformedFrame('payload is missing')
  // Most clients send no join refs. A join is then identified by its ref.
  return { joinRef: joinRef ?? (event === 'phx_join' ? ref : null), ref, topic, event, payload }
}

function decodeText(frame: string, read: (json: unknown) => Fields, maxWeight?: number): ClientMessage {
  const light = cutHeavyParts(frame, maxWeight)
  if (!light) throw new MalformedFrame('too many values outside the payload')
  const fields = read(parse(light.text))
  if (isInexact(fields.joinRef) || isInexact(fields.ref)) {
    const exact = read(parseExactly(light.text))
    fields.joinRef = exactRef(fields.joinRef, exact.joinRef)
    fields.ref = exactRef(fields.ref, exact.ref)
  }
  const { joinRef, ref, topic, event, payload } = fields
  if (!isRef(joinRef) || !isRef(ref)) throw new MalformedFrame('ref is not a string, number or null')
  if (typeof topic !== 'string' || typeof event !== 'string') {
    throw new MalformedFrame('topic or event is not a string')
  }
  return { joinRef, ref, topic, event, payload: light.isCut ? UNPARSED : payload }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MalformedFrame('not JSON')
  }
}

function exactRef(ref: unknown, exact: unknown): unknown {
  const isLargeInteger = Number.isFinite(ref) && typeof exact === 'string'
  return isLargeInteger ? BigInt(exact) : ref
}

function isRef(value: unknown): value is Ref {
  return value === null || typeof value === 'string' || typeof value === 'bigint' || Number.isFinite(value)
}

/** Encodes a message of version 2. `JSON.stringify` throws at a bigint. */
function encodeArray(message: [joinRef: Ref, ref: Ref, ...unknown[]]): string {
  if (typeof message[0] !== 'bigint' && typeof message[1] !== 'bigint') return JSON.stringify(message)
  const [joinRef, ref, ...others] = message
  return `[${encodeRef(joinRef)},${encodeRef(ref)},${JSON.stringify(others).slice(1)}`
}

/** Encodes a message of version 1, with the ref at its end. */
function encodeObject(message: object, ref: Ref): string {
  return `${JSON.stringify(message).slice(0, -1)},"ref":${encodeRef(ref)}}`
}

function encodeRef(ref: Ref): string {
  return typeof ref === 'bigint' ? String(ref) : JSON.stringify(ref)
}

/** Encodes binary payloads as base64, for formats without binary frames. */
function toJson(payload: unknown): unknown {
  return payload instanceof Uint8Array ? Buffer.from(payload).toString('base64') : payload
}
