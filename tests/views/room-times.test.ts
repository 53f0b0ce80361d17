import { describe, expect, it } from 'vitest'
import { listedTime, roomDate, socketTime } from '../../src/views/room-times.ts'

describe('roomDate', () => {
  it.each(
    'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ').map((name, month) => [name, month] as const),
  )('abbreviates %s to three letters and a dot', (name, month) => {
    expect(roomDate(new Date(Date.UTC(2023, month, 18, 12)))).toBe(`${name}. 18, 2023`)
  })

  it('uses the day in UTC', () => {
    expect(roomDate(new Date('2023-12-31T23:59:59.999Z'))).toBe('Dec. 31, 2023')
    expect(roomDate(new Date('2024-01-01T00:00:00.000Z'))).toBe('Jan. 1, 2024')
  })
})

describe('listedTime and socketTime', () => {
  it.each([
    ['00:00', '12:00 a.m.', '12:00 AM'],
    ['00:05', '12:05 a.m.', '12:05 AM'],
    ['01:09', '1:09 a.m.', '1:09 AM'],
    ['11:59', '11:59 a.m.', '11:59 AM'],
    ['12:00', '12:00 p.m.', '12:00 PM'],
    ['12:34', '12:34 p.m.', '12:34 PM'],
    ['13:00', '1:00 p.m.', '1:00 PM'],
    ['23:59', '11:59 p.m.', '11:59 PM'],
  ])('format %s as %s in lists and %s on sockets', (time, listed, onSocket) => {
    const at = new Date(`2023-10-18T${time}:59.999Z`)
    expect(listedTime(at)).toBe(listed)
    expect(socketTime(at)).toBe(onSocket)
  })
})
