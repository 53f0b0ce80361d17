const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

/** A day in UTC: `Oct. 18, 2023`. */
export function roomDate(at: Date): string {
  return `${MONTHS[at.getUTCMonth()]}. ${at.getUTCDate()}, ${at.getUTCFullYear()}`
}

/** A time of day in UTC, in lists of messages: `12:00 p.m.` */
export function listedTime(at: Date): string {
  return `${clockTime(at)} ${isMorning(at) ? 'a.m.' : 'p.m.'}`
}

/** A time of day in UTC, in socket events: `12:34 PM`. */
export function socketTime(at: Date): string {
  return `${clockTime(at)} ${isMorning(at) ? 'AM' : 'PM'}`
}

function clockTime(at: Date): string {
  const minutes = String(at.getUTCMinutes()).padStart(2, '0')
  return `${at.getUTCHours() % 12 || 12}:${minutes}`
}

function isMorning(at: Date): boolean {
  return at.getUTCHours() < 12
}
