import { describe, expect, it } from 'vitest'
import { MediaLinks } from '../../../src/domain/media/media-links.ts'
import { ManualClock } from '../../support/clock.ts'

const ID = 'V1StGXR8_Z5jdHi6B-myT'
const OTHER_ID = 'V1StGXR8_Z5jdHi6B-myU'
const HOUR_MS = 60 * 60 * 1000

function openLinks({ clock = new ManualClock(), secretKeyBase = 'a secret of thirty-two characters' } = {}) {
  return { clock, links: new MediaLinks({ clock, secretKeyBase, publicUrl: 'https://chat.example/here' }) }
}

function queryOf(url: string): { expires: string; signature: string } {
  const { expires, signature } = Object.fromEntries(new URL(url).searchParams)
  return { expires: expires!, signature: signature! }
}

const invalid = expect.objectContaining({ code: 'media_link_invalid' })

describe('a link', () => {
  it('is absolute, and contains the id of its file', () => {
    const { origin, pathname, searchParams } = new URL(openLinks().links.make(ID))
    expect(origin + pathname).toBe(`https://chat.example/here/api/v1/chat/media/${ID}`)
    expect([...searchParams.keys()]).toEqual(['expires', 'signature'])
  })

  it('is valid for an hour, and returns the remaining time', () => {
    const { links, clock } = openLinks()
    const query = queryOf(links.make(ID))
    expect(links.verify(ID, query)).toBe(HOUR_MS)
    clock.advance(HOUR_MS - 1)
    expect(links.verify(ID, query)).toBe(1)
    clock.advance(1)
    expect(() => links.verify(ID, query)).toThrow(invalid)
  })

  it('is valid only for its own file', () => {
    const { links } = openLinks()
    expect(() => links.verify(OTHER_ID, queryOf(links.make(ID)))).toThrow(invalid)
  })

  it('is rejected when its expiry was changed', () => {
    const { links } = openLinks()
    const { expires, signature } = queryOf(links.make(ID))
    for (const later of [
      `${Number(expires) + 1}`,
      `0${expires}`,
      ` ${expires}`,
      `${expires}.0`,
      '9e99',
      'Infinity',
    ])
      expect(() => links.verify(ID, { expires: later, signature })).toThrow(invalid)
  })

  it('is rejected when signed with another secret', () => {
    const query = queryOf(openLinks({ secretKeyBase: 'some other secret of some length' }).links.make(ID))
    expect(() => openLinks().links.verify(ID, query)).toThrow(invalid)
  })

  it('is rejected when parts are missing or have another type', () => {
    const { links } = openLinks()
    const { expires, signature } = queryOf(links.make(ID))
    const others = [
      '',
      signature.slice(1),
      `${signature}=`,
      `${signature} `,
      signature.toLowerCase(),
      [signature],
      null,
    ]
    for (const other of others) expect(() => links.verify(ID, { expires, signature: other })).toThrow(invalid)
    for (const other of ['', [expires], Number(expires), {}, undefined])
      expect(() => links.verify(ID, { expires: other, signature })).toThrow(invalid)
    expect(() => links.verify(ID, {})).toThrow(invalid)
  })
})
