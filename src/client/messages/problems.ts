import type { Problem } from '../conversations/codec.ts'
import type { ChainVerdict } from '../encryption/device-chain.ts'
import type { HeadsVerdict } from '../encryption/heads.ts'
import type { RevisionVerdict } from '../encryption/revision.ts'

/** Codes of problems for which the content of a message is not shown. */
const FATAL = new Set(['conflict', 'wrong_group', 'not_an_edit', 'stale', 'repeated'])

/** What the comparison with the known revision means; undefined if all is well. */
export function revisionProblem(verdict: RevisionVerdict): Problem | undefined {
  return verdict === 'same' || verdict === 'newer' ? undefined : { code: verdict }
}

/** What the place of a message among those of its device means; undefined if all is well. */
export function placeProblem(verdict: ChainVerdict): Problem | undefined {
  if (verdict.status === 'ok') return undefined
  return verdict.status === 'gap' ? { code: 'missing', count: verdict.missing } : { code: verdict.status }
}

/** What the heads of a message mean; undefined if all is well. */
export function headsProblem(verdict: HeadsVerdict): Problem | undefined {
  return verdict === 'unknown' ? { code: 'different_keys' } : undefined
}

/** Whether a message with this problem is not shown. */
export function isFatal({ code }: Problem): boolean {
  return FATAL.has(code)
}
