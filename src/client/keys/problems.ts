import type { Problem } from '../conversations/codec.ts'

/** Says that a user has other keys than before. */
export function changedKeys(isReset: boolean): Problem {
  return isReset
    ? {
        code: 'keys_reset',
        message: 'This member has new keys that the old ones did not sign. Compare them.',
      }
    : { code: 'keys_changed', message: 'This member has new keys, signed by the old ones.' }
}

/** Says that the server presented keys that contradict what it presented before. */
export function rejectedKeys(code: string): Problem {
  const message = `The server presented keys of this member that were rejected (${code}). The known ones stay in use.`
  return { code: 'keys_rejected', message }
}
