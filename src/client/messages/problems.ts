import type { Problem } from '../conversations/codec.ts'
import type { ChainVerdict, HeadsVerdict, MessageFailure, RevisionVerdict } from '../encryption/index.ts'

const FAILURES: Record<MessageFailure, string> = {
  too_large: 'The message is larger than the format allows.',
  malformed_copy: 'The copy of the message was damaged or altered.',
  undecryptable_copy: 'The copy of the message was not encrypted for your keys, or was altered.',
  shared_missing: 'The server did not deliver the encrypted message.',
  shared_altered: 'The encrypted message was altered.',
  malformed_message: 'The message does not follow the format.',
  unknown_key: 'The message is signed with a key that is not one of its sender.',
  bad_signature: 'The signature of the message is wrong.',
  wrong_sender: 'Someone else wrote the message than the server says.',
  wrong_conversation: 'The message was written in another conversation.',
}

const REVISIONS: Record<RevisionVerdict, string | undefined> = {
  same: undefined,
  newer: undefined,
  stale: 'The server delivered an older version of a message that was edited since.',
  conflict: 'There are two different messages with the same id and revision.',
  wrong_group: 'The server delivered a message a second time.',
  not_an_edit: 'The edit does not belong to the message that it replaces.',
}

const PLACES: Record<Exclude<ChainVerdict['status'], 'ok' | 'gap'>, string> = {
  reordered: 'The message was delivered at another place than its sender gave it.',
  repeated: 'The server delivered a message a second time.',
  rolled_back:
    'The sender wrote two different messages for the same place: a device was restored from an old state, or copied.',
  broken: 'The sender saw another message before this one.',
}

/** Codes of problems for which the content of a message is not shown. */
const FATAL = new Set(['conflict', 'wrong_group', 'not_an_edit', 'stale', 'repeated'])

/** What a failure to open a message means. */
export function failureProblem(failure: MessageFailure): Problem {
  return { code: failure, message: FAILURES[failure] }
}

/** What the comparison with the known revision means; undefined if all is well. */
export function revisionProblem(verdict: RevisionVerdict): Problem | undefined {
  const message = REVISIONS[verdict]
  return message === undefined ? undefined : { code: verdict, message }
}

/** What the place of a message among those of its device means; undefined if all is well. */
export function placeProblem(verdict: ChainVerdict): Problem | undefined {
  if (verdict.status === 'ok') return undefined
  if (verdict.status !== 'gap') return { code: verdict.status, message: PLACES[verdict.status] }
  const { missing } = verdict
  const what = missing === 1 ? 'One message' : `${missing} messages`
  return {
    code: 'missing',
    message: `${what} of the same sender before this one ${missing === 1 ? 'is' : 'are'} missing.`,
  }
}

/** What the heads of a message mean; undefined if all is well. */
export function headsProblem(verdict: HeadsVerdict): Problem | undefined {
  if (verdict !== 'unknown') return undefined
  const message = 'The sender sees other members, or other keys of them, than you do.'
  return { code: 'different_keys', message }
}

/** Whether a message with this problem must not be believed. */
export function isFatal({ code }: Problem): boolean {
  return FATAL.has(code)
}
