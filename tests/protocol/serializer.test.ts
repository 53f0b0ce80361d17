import { describe, expect, it } from 'vitest'
import { EncodedJson, MalformedFrame, UNPARSED } from '../../src/protocol/messages.ts'
import { chooseSerializer, v1, v2 } from '../../src/protocol/serializer.ts'

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

describe('version 2, text', () => {
  it('decodes five elements, and ignores further ones', () => {
    expect(v2.decode('["1","2","room:a","hello",{"a":1},"more"]')).toEqual({
      joinRef: '1',
      ref: '2',
      topic: 'room:a',
      event: 'hello',
      payload: { a: 1 },
    })
  })

  it('accepts refs that are strings, numbers or null, and any JSON payload', () => {
    expect(v2.decode('[null,7,"t","e",null]')).toEqual({
      joinRef: null,
      ref: 7,
      topic: 't',
      event: 'e',
      payload: null,
    })
    expect(v2.decode('[null,null,"t","e",[1]]').payload).toEqual([1])
  })

  it.each([
    'no json',
    '{}',
    'null',
    '"text"',
    '[]',
    '["1","2","t","e"]',
    '[true,"2","t","e",{}]',
    '["1",{},"t","e",{}]',
    '["1","2",3,"e",{}]',
    '["1","2","t",null,{}]',
    '',
  ])('rejects %s', (frame) => {
    expect(() => v2.decode(frame)).toThrow(MalformedFrame)
  })

  it('encodes replies, pushes, closes and broadcasts', () => {
    const at = { joinRef: '1', topic: 'room:a' }
    expect(v2.encodeReply({ ...at, ref: '2', status: 'ok', response: { id: 3 } })).toBe(
      '["1","2","room:a","phx_reply",{"status":"ok","response":{"id":3}}]',
    )
    expect(v2.encodePush({ ...at, ref: null, event: 'hi', payload: 'x' })).toBe(
      '["1",null,"room:a","hi","x"]',
    )
    expect(v2.encodePush({ ...at, ref: '1', event: 'phx_close', payload: {} })).toBe(
      '["1","1","room:a","phx_close",{}]',
    )
    expect(v2.encodeBroadcast({ topic: 'room:a', event: 'hi', payload: { a: 'ü' } })).toBe(
      '[null,null,"room:a","hi",{"a":"ü"}]',
    )
  })
})

describe('version 2, binary', () => {
  it('decodes a push', () => {
    const frame = bytes([0, 1, 2, 5, 2], '1', '12', 'top:a', 'ev', [1, 2, 255])
    expect(v2.decode(frame)).toEqual({
      joinRef: '1',
      ref: '12',
      topic: 'top:a',
      event: 'ev',
      payload: Buffer.from([1, 2, 255]),
    })
  })

  it('decodes lengths in bytes, and empty refs as null', () => {
    const frame = bytes([0, 0, 0, 3, 2], '€', 'ev')
    expect(v2.decode(frame)).toMatchObject({
      joinRef: null,
      ref: null,
      topic: '€',
      event: 'ev',
      payload: Buffer.alloc(0),
    })
  })

  it.each([
    ['nothing', []],
    ['a header that ends early', [0, 1, 1]],
    ['another kind', [1, 0, 0, 1, 1, 97, 97]],
    ['strings that end early', [0, 1, 1, 9, 9, 97]],
  ])('rejects %s', (_name, frame) => {
    expect(() => v2.decode(Buffer.from(frame))).toThrow(MalformedFrame)
  })

  it('encodes a push: 0, the lengths of join_ref, topic and event, then they and the data', () => {
    const frame = v2.encodePush({
      joinRef: '1',
      ref: null,
      topic: 'to',
      event: 'e',
      payload: Buffer.from([9, 8]),
    })
    expect(frame).toEqual(bytes([0, 1, 2, 1], '1', 'to', 'e', [9, 8]))
  })

  it('encodes a reply: 1, the lengths of join_ref, ref, topic and status, then they and the data', () => {
    const frame = v2.encodeReply({
      joinRef: '1',
      ref: '23',
      topic: 'to',
      status: 'ok',
      response: Buffer.from([9]),
    })
    expect(frame).toEqual(bytes([1, 1, 2, 2, 2], '1', '23', 'to', 'ok', [9]))
  })

  it('encodes a broadcast: 2, the lengths of topic and event, then they and the data', () => {
    const frame = v2.encodeBroadcast({ topic: 'to', event: 'ev', payload: Buffer.from([9]) })
    expect(frame).toEqual(bytes([2, 2, 2], 'to', 'ev', [9]))
  })

  it('rejects a string of more than 255 bytes', () => {
    expect(() =>
      v2.encodeBroadcast({ topic: 't'.repeat(256), event: 'e', payload: Buffer.alloc(0) }),
    ).toThrow(RangeError)
  })
})

describe('version 1', () => {
  it('decodes an object; the ref of a join identifies it', () => {
    expect(v1.decode('{"topic":"t","event":"phx_join","payload":{},"ref":"1"}')).toEqual({
      joinRef: '1',
      ref: '1',
      topic: 't',
      event: 'phx_join',
      payload: {},
    })
    expect(v1.decode('{"topic":"t","event":"e","payload":2,"ref":"2"}').joinRef).toBeNull()
  })

  it('takes the join_ref that some clients send', () => {
    const frame = '{"topic":"t","event":"phx_leave","payload":{},"ref":"2","join_ref":"9"}'
    expect(v1.decode(frame)).toMatchObject({ joinRef: '9', ref: '2' })
    expect(v1.decode(frame.replace('"9"', 'null')).joinRef).toBeNull()
  })

  it.each([
    '[]',
    'null',
    '7',
    '{"topic":"t","event":"e","ref":"1"}',
    '{"topic":1,"event":"e","payload":{},"ref":"1"}',
    'x',
  ])('rejects %s', (frame) => {
    expect(() => v1.decode(frame)).toThrow(MalformedFrame)
  })

  it('takes the same JSON from a binary frame', () => {
    const frame = '{"topic":"t","event":"e","payload":"ü","ref":"1"}'
    expect(v1.decode(Buffer.from(frame))).toEqual(v1.decode(frame))
    expect(() => v1.decode(Buffer.from([0, 0, 0, 0, 0]))).toThrow(MalformedFrame)
  })

  it('encodes objects of exactly topic, event, payload and ref', () => {
    const at = { joinRef: '1', topic: 't' }
    expect(v1.encodeReply({ ...at, ref: '2', status: 'error', response: 'no' })).toBe(
      '{"topic":"t","event":"phx_reply","payload":{"status":"error","response":"no"},"ref":"2"}',
    )
    expect(v1.encodePush({ ...at, ref: '1', event: 'phx_close', payload: {} })).toBe(
      '{"topic":"t","event":"phx_close","payload":{},"ref":"1"}',
    )
    expect(v1.encodeBroadcast({ topic: 't', event: 'e', payload: { a: 1 } })).toBe(
      '{"topic":"t","event":"e","payload":{"a":1},"ref":null}',
    )
  })
})

describe('a ref beyond the integers of a number', () => {
  const LARGE = '123456789012345678901234567890'
  const [text, object] = [
    `[9007199254740993, -${LARGE} ,"t\\"1234567890123456789","e",{"n":[12345678901234567890,25e-1]}]`,
    `{"payload":{"ref":7,"n":12345678901234567890},"topic":"t","event":"e","join_ref":9007199254740993,"ref":${LARGE}}`,
  ]

  it('is decoded exactly, and encoded as it came', () => {
    const message = v2.decode(text)
    expect(message).toMatchObject({ joinRef: 9007199254740993n, ref: -BigInt(LARGE) })
    expect(message).toMatchObject({
      topic: 't"1234567890123456789',
      payload: { n: [12345678901234567000, 2.5] },
    })
    const { joinRef, ref } = message
    const at = { joinRef, topic: 't' }
    expect(v2.encodeReply({ ...at, ref, status: 'ok', response: {} })).toBe(
      `[9007199254740993,-${LARGE},"t","phx_reply",{"status":"ok","response":{}}]`,
    )
    expect(v2.encodePush({ ...at, ref: null, event: 'e', payload: 1 })).toBe(
      '[9007199254740993,null,"t","e",1]',
    )
    expect(v2.encodePush({ ...at, ref: null, event: 'e', payload: new EncodedJson('{}') })).toBe(
      '[9007199254740993,null,"t","e",{}]',
    )
    expect(v2.encodeReply({ ...at, ref, status: 'ok', response: Buffer.from([7]) })).toEqual(
      bytes([1, 16, 31, 1, 2], `9007199254740993-${LARGE}tok`, [7]),
    )
  })

  it('is decoded exactly in version 1 too, wherever it is in the object', () => {
    const { joinRef, ref } = v1.decode(object)
    expect({ joinRef, ref }).toEqual({ joinRef: 9007199254740993n, ref: BigInt(LARGE) })
    expect(v1.encodeReply({ joinRef, ref, topic: 't', status: 'ok', response: {} })).toBe(
      `{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":${LARGE}}`,
    )
    expect(
      v1.encodePush({ joinRef, ref, topic: 't', event: 'phx_close', payload: new EncodedJson('{}') }),
    ).toBe(`{"topic":"t","event":"phx_close","ref":${LARGE},"payload":{}}`)
  })

  it('is decoded exactly beside a payload that is too heavy to be parsed', () => {
    const heavy = text.replace(/\{.*/, `[${'[],'.repeat(20_000)}[]]]`)
    expect(v2.decode(heavy)).toMatchObject({ joinRef: 9007199254740993n, payload: UNPARSED })
  })

  it.each(['1e400', '9'.repeat(400)])('is rejected when no number comes near it: %s', (ref) => {
    expect(() => v2.decode(`["1",${ref},"t","e",{}]`)).toThrow(MalformedFrame)
  })

  it('is a number when it is a fraction', () => {
    expect(v2.decode('[1.5,12345678901234567.5,"t","e",{}]')).toMatchObject({
      joinRef: 1.5,
      ref: 12345678901234568,
    })
  })
})

it('is selected by vsn: 2.0.x, 1.0.x or none, and no other value', () => {
  expect(['2.0.0', '2.0.7', '2.0.10'].map(chooseSerializer)).toEqual([v2, v2, v2])
  expect(['1.0.0', '1.0.5', undefined].map(chooseSerializer)).toEqual([v1, v1, v1])
  const others = ['3.0.0', '2', '', '1.0', 'x', '2.1.0', '1.1.0', '2.0.x', '2.0.01', '2.0.0 ', '2.0.0-rc.1']
  expect(others.filter(chooseSerializer)).toEqual([])
})
