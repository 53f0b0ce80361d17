import { describe, expect, it } from 'vitest'
import { MalformedFrame } from '../../src/protocol/messages.ts'
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
    expect(v1.decode('{"topic":"t","event":"e","payload":2,"ref":"2","join_ref":"9"}').joinRef).toBeNull()
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

  it('has no binary frames', () => {
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

it('is selected by vsn: 2.0.0, 1.0.0 or none, and no other value', () => {
  expect(chooseSerializer('2.0.0')).toBe(v2)
  expect(chooseSerializer('1.0.0')).toBe(v1)
  expect(chooseSerializer(undefined)).toBe(v1)
  expect(['3.0.0', '2', '', '1.0', 'x'].map(chooseSerializer)).toEqual(Array(5).fill(undefined))
})
