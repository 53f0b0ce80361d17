import type { FastifyReply, FastifyRequest } from 'fastify'
import { meetsCondition, type VersionCondition, type Versions } from '../domain/shared/version-condition.ts'
import { AppError } from '../errors.ts'

/** A list of entity tags (RFC 9110, section 8.8.3); commas may occur in a tag. */
const TAG = String.raw`(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"`
const TAGS = new RegExp(String.raw`^[ \t,]*${TAG}(?:[ \t]*,[ \t,]*${TAG})*[ \t,]*$`)
const EACH_TAG = new RegExp(TAG, 'g')
/** The entity tag of a version. No other tag names one. */
const VERSION = /^"([1-9][0-9]{0,14})"$/

/**
 * The condition of a change: `If-Match` or `If-None-Match` (RFC 9110, section 13).
 * @throws AppError `precondition_required` without either, `bad_request` if one cannot be parsed.
 */
export function requiredCondition(request: FastifyRequest): VersionCondition {
  const condition = readCondition(request)
  if (!condition.matches && !condition.matchesNone) throw new AppError('precondition_required')
  return condition
}

/** Sets the `ETag` of a version. */
export function sendVersion(reply: FastifyReply, version: number): void {
  reply.header('etag', `"${version}"`)
}

/**
 * Sets the `ETag` of a version that is read, and evaluates the condition of the request.
 * @returns whether the client has this version: answer 304.
 * @throws AppError `precondition_failed`, or `bad_request` if a header cannot be parsed.
 */
export function isNotModified(request: FastifyRequest, reply: FastifyReply, version: number): boolean {
  const { matches, matchesNone } = readCondition(request)
  if (!meetsCondition({ matches }, version)) throw new AppError('precondition_failed')
  sendVersion(reply, version)
  return !meetsCondition({ matchesNone }, version)
}

function readCondition({ headers }: FastifyRequest): VersionCondition {
  return {
    // The strong comparison: a weak tag matches nothing.
    matches: readVersions(headers['if-match'], (tag) => tag),
    matchesNone: readVersions(headers['if-none-match'], (tag) => tag.replace(/^W\//, '')),
  }
}

function readVersions(header: string | undefined, comparable: (tag: string) => string): Versions | undefined {
  if (header === undefined) return undefined
  if (header.trim() === '*') return 'any'
  if (!TAGS.test(header)) throw new AppError('bad_request', { message: 'An entity tag is not valid.' })
  const tags = header.match(EACH_TAG) ?? []
  return tags.flatMap((tag) => VERSION.exec(comparable(tag))?.[1] ?? []).map(Number)
}
