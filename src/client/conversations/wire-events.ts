import type { WireChange } from '../wire.ts'

/** The position of a change in the order of its conversation. */
export function seqOf({ event, payload }: WireChange): number {
  return event === 'new_message' ? payload.message.seq : payload.seq
}

/** A time of the server, in either dialect. */
export function timeOf(text: string): Date {
  return new Date(text.replace(' ', 'T').replace(/(\.\d{3})\d+/, '$1'))
}
