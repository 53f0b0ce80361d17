import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bucketOf, MAX_PADDED_BYTES, pad, unpad } from '../../../src/client/encryption/index.ts'

it.each([
  [0, 1024],
  [1024, 1024],
  [1025, 2048],
  [2049, 4096],
  [4097, 8192],
  [8193, 12_288],
  [MAX_PADDED_BYTES, MAX_PADDED_BYTES],
  [MAX_PADDED_BYTES + 1, undefined],
])('pads %i bytes to %s', (size, bucket) => {
  expect(bucketOf(size)).toBe(bucket)
  expect(pad('x'.repeat(size))?.length).toBe(bucket)
})

it('is removed by the receiver', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 3000 }), (text) => {
      expect(unpad(pad(`${text}.`)!)).toBe(`${text}.`)
    }),
  )
})
