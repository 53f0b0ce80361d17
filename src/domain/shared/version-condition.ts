/** Versions that a condition names: these, or any. */
export type Versions = 'any' | readonly number[]

/** What a request demands of the stored version before it changes or reads it. */
export interface VersionCondition {
  /** The stored version is one of these. */
  matches?: Versions | undefined
  /** There is no stored version, or it is none of these. */
  matchesNone?: Versions | undefined
}

/** Whether a stored version meets a condition; `version` is undefined if nothing is stored. */
export function meetsCondition(
  { matches, matchesNone }: VersionCondition,
  version: number | undefined,
): boolean {
  if (matches && !isNamed(matches, version)) return false
  return !matchesNone || !isNamed(matchesNone, version)
}

function isNamed(versions: Versions, version: number | undefined): boolean {
  return version !== undefined && (versions === 'any' || versions.includes(version))
}
