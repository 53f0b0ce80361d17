import { describe, expect, it } from 'vitest'
import { MalformedFrame } from '../../src/protocol/messages.ts'
import { v1, v2 } from '../../src/protocol/serializer.ts'

/* The cases of Phoenix's v1_json_serializer_test.exs and v2_json_serializer_test.exs. docs/phoenix-tests.md lists them. */

const AT = { joinRef: null, ref: null, topic: 't' }
const DATA = Buffer.from([101, 102, 103])
const LONG = 'x'.repeat(256)

describe('v1', () => {
  it('encode!/1 encodes `Phoenix.Socket.Message` as JSON', () => {
    expect(v1.encodePush({ ...AT, event: 'e', payload: 'm' })).toBe(
      '{"topic":"t","event":"e","payload":"m","ref":null}',
    )
  })

  it('encode!/1 encodes `Phoenix.Socket.Reply` as JSON', () => {
    expect(v1.encodeReply({ ...AT, ref: 'null', status: 'ok', response: null })).toBe(
      '{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":null},"ref":"null"}',
    )
  })

  it('decode!/2 decodes `Phoenix.Socket.Message` from JSON', () => {
    expect(v1.decode('{"event":"e","payload":"m","ref":null,"topic":"t"}')).toEqual({
      ...AT,
      event: 'e',
      payload: 'm',
    })
  })

  it("decode!/2 raise a PayloadFormatException if the JSON doesn't contain a map", () => {
    expect(() => v1.decode('[null,null,"t","e",{"m":1}]')).toThrow(MalformedFrame)
  })

  it('fastlane!/1 encodes a broadcast into a message as JSON', () => {
    expect(v1.encodeBroadcast({ topic: 't', event: 'e', payload: 'm' })).toBe(
      '{"topic":"t","event":"e","payload":"m","ref":null}',
    )
  })
})

describe('v2', () => {
  it('encode!/1 encodes `Phoenix.Socket.Message` as JSON', () => {
    expect(v2.encodePush({ ...AT, event: 'e', payload: { m: 1 } })).toBe('[null,null,"t","e",{"m":1}]')
  })

  it('encode!/1 and fastlane!/1 take a payload that is not a map', () => {
    expect(v2.encodePush({ ...AT, event: 'e', payload: 'x' })).toBe('[null,null,"t","e","x"]')
    expect(v2.encodeBroadcast({ topic: 't', event: 'e', payload: 'x' })).toBe('[null,null,"t","e","x"]')
  })

  it('encode!/1 encodes `Phoenix.Socket.Reply` as JSON', () => {
    expect(v2.encodeReply({ ...AT, status: 'ok', response: { m: 1 } })).toBe(
      '[null,null,"t","phx_reply",{"status":"ok","response":{"m":1}}]',
    )
  })

  it('decode!/2 decodes `Phoenix.Socket.Message` from JSON', () => {
    const message = { ...AT, event: 'e', payload: { m: 1 } }
    expect(v2.decode('[null,null,"t","e",{"m":1}]')).toEqual(message)
  })

  it('fastlane!/1 encodes a broadcast into a message as JSON', () => {
    expect(v2.encodeBroadcast({ topic: 't', event: 'e', payload: { m: 1 } })).toBe(
      '[null,null,"t","e",{"m":1}]',
    )
  })
})

describe('binary encode', () => {
  const push = { joinRef: '12', ref: null, topic: 'topic', event: 'event', payload: DATA }
  const reply = { joinRef: '12', ref: '123', topic: 'topic', status: 'ok', response: DATA } as const

  it('general pushed message', () => {
    expect(v2.encodePush(push)).toEqual(Buffer.from('\x00\x02\x05\x0512topiceventefg', 'latin1'))
  })

  it.each(['topic', 'event', 'joinRef'])('encode with oversized headers: %s', (field) => {
    expect(() => v2.encodePush({ ...push, [field]: LONG })).toThrow(RangeError)
  })

  it('reply', () => {
    expect(v2.encodeReply(reply)).toEqual(Buffer.from('\x01\x02\x03\x05\x0212123topicokefg', 'latin1'))
  })

  it('reply with oversized headers', () => {
    expect(() => v2.encodeReply({ ...reply, ref: LONG })).toThrow(RangeError)
  })

  it('fastlane', () => {
    expect(v2.encodeBroadcast({ topic: 'topic', event: 'event', payload: DATA })).toEqual(
      Buffer.from('\x02\x05\x05topiceventefg', 'latin1'),
    )
  })

  it.each(['topic', 'event'])('fastlane with oversized headers: %s', (field) => {
    const broadcast = { topic: 'topic', event: 'event', payload: DATA, [field]: LONG }
    expect(() => v2.encodeBroadcast(broadcast)).toThrow(RangeError)
  })
})

describe('binary decode', () => {
  it('pushed message', () => {
    const frame = Buffer.from('\x00\x02\x03\x05\x0512123topiceventefg', 'latin1')
    expect(v2.decode(frame)).toEqual({
      joinRef: '12',
      ref: '123',
      topic: 'topic',
      event: 'event',
      payload: DATA,
    })
  })
})
