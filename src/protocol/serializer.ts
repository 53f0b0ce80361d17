import {
  decodeBinaryBroadcast,
  decodeBinaryPush,
  encodeBinaryBroadcast,
  encodeBinaryPush,
  encodeBinaryReply,
} from './binary.ts'
import { cutHeavyParts } from './json-weight.ts'
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
    const { fields, isCut } = parse(frame, maxWeight)
    if (!Array.isArray(fields) || fields.length < 5)
      throw new MalformedFrame('not an array of five or more elements')
    const [joinRef, ref, topic, event, payload] = fields
    return toMessage(joinRef, ref, topic, event, isCut ? UNPARSED : payload)
  },
  encodeReply(reply) {
    const { joinRef, ref, topic, status, response } = reply
    if (response instanceof Uint8Array) return encodeBinaryReply(reply, response)
    return JSON.stringify([joinRef, ref, topic, 'phx_reply', { status, response }])
  },
  encodePush(push) {
    if (push.payload instanceof Uint8Array) return encodeBinaryPush(push, push.payload)
    if (push.payload instanceof EncodedJson) {
      const head = JSON.stringify([push.joinRef, push.ref, push.topic, push.event])
      return `${head.slice(0, -1)},${push.payload.text}]`
    }
    return JSON.stringify([push.joinRef, push.ref, push.topic, push.event, push.payload])
  },
  encodeBroadcast(broadcast) {
    if (broadcast.payload instanceof Uint8Array) return encodeBinaryBroadcast(broadcast, broadcast.payload)
    return JSON.stringify([null, null, broadcast.topic, broadcast.event, broadcast.payload])
  },
}

/** Decodes the result of `v2.encodeBroadcast`: a binary message, or the bytes of a text message. */
export function decodeBroadcast(message: Buffer): Broadcast {
  // Text messages are JSON arrays.
  if (message[0] !== 0x5b) return decodeBinaryBroadcast(message)
  const [, , topic, event, payload] = JSON.parse(message.toString())
  return { topic, event, payload }
}

/** Version 1: objects of `topic, event, payload, ref`. It has no binary frames. */
export const v1: Serializer = {
  decode(frame, maxWeight) {
    if (typeof frame !== 'string') throw new MalformedFrame('version 1 has no binary frames')
    const { fields, isCut } = parse(frame, maxWeight)
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      throw new MalformedFrame('not an object')
    }
    const { ref = null, topic, event, payload } = fields as Record<string, unknown>
    if (payload === undefined) throw new MalformedFrame('payload is missing')
    // The ref of a join identifies it. Version 1 has no join refs in other messages.
    return toMessage(event === 'phx_join' ? ref : null, ref, topic, event, isCut ? UNPARSED : payload)
  },
  encodeReply: ({ ref, topic, status, response }) =>
    JSON.stringify({ topic, event: 'phx_reply', payload: { status, response: toJson(response) }, ref }),
  encodePush({ ref, topic, event, payload }) {
    if (payload instanceof EncodedJson) {
      const head = JSON.stringify({ topic, event, ref })
      return `${head.slice(0, -1)},"payload":${payload.text}}`
    }
    return JSON.stringify({ topic, event, payload: toJson(payload), ref })
  },
  encodeBroadcast: ({ topic, event, payload }) =>
    JSON.stringify({ topic, event, payload: toJson(payload), ref: null }),
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

/** The serializer for a `vsn` parameter; undefined for an unsupported version. */
export function chooseSerializer(vsn: string | undefined): Serializer | undefined {
  if (vsn === '2.0.0') return v2
  return vsn === undefined || vsn === '1.0.0' ? v1 : undefined
}

function parse(frame: string, maxWeight?: number): { fields: unknown; isCut: boolean } {
  const light = cutHeavyParts(frame, maxWeight)
  if (!light) throw new MalformedFrame('too many values outside the payload')
  try {
    return { fields: JSON.parse(light.text), isCut: light.isCut }
  } catch {
    throw new MalformedFrame('not JSON')
  }
}

function toMessage(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): ClientMessage {
  if (!isRef(joinRef) || !isRef(ref)) throw new MalformedFrame('ref is not a string, number or null')
  if (typeof topic !== 'string' || typeof event !== 'string') {
    throw new MalformedFrame('topic or event is not a string')
  }
  return { joinRef, ref, topic, event, payload }
}

function isRef(value: unknown): value is Ref {
  return value === null || typeof value === 'string' || typeof value === 'number'
}

/** Encodes binary payloads as base64, for formats without binary frames. */
function toJson(payload: unknown): unknown {
  return payload instanceof Uint8Array ? Buffer.from(payload).toString('base64') : payload
}
