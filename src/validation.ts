import { type Static, type TSchema, type TStringOptions, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { AppError, type FieldErrors } from './errors.ts'

/** What a schema check found wrong, in the words Ajv and TypeBox's compiled checks share. */
export interface SchemaError {
  keyword: string
  /** JSON Pointer (RFC 6901) to the offending value. */
  instancePath: string
  params: object
}

/** Text that PostgreSQL can store: no NUL, no half of a surrogate pair. */
const STORABLE = '^[^\\u0000\\p{Cs}]*$'
/** The `uuid` format would let `urn:uuid:` pass, which PostgreSQL does not take. */
const UUID = '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
const PAGE_SIZE = '^([1-9][0-9]?|100)$'
const SEQ = '^[0-9]{1,15}$'

const PATTERN_MESSAGES: Record<string, string> = {
  [STORABLE]: 'has characters that cannot be stored',
  [UUID]: 'must be a UUID',
  [PAGE_SIZE]: 'must be a whole number from 1 to 100',
  [SEQ]: 'must be a whole number, not negative',
}

const TYPE_NAMES: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  null: 'null',
  number: 'a number',
  object: 'an object',
  string: 'text',
}

/** A thousand wrong items of one list say nothing that the first hundred do not. */
const MOST_ERRORS = 100

/** A string schema for whatever may reach the database; lengths count code points, as PostgreSQL does. */
export function Text(options: Omit<TStringOptions, 'pattern'> = {}) {
  return Type.String({ ...options, pattern: STORABLE })
}

/** A string schema for an id that PostgreSQL takes. */
export function Uuid(options: Omit<TStringOptions, 'pattern' | 'format'> = {}) {
  return Type.String({ ...options, pattern: UUID })
}

/** A `page_size` in a query string, where every value is text: digits from 1 to 100. */
export const PageSizeText = Type.String({ pattern: PAGE_SIZE, description: 'From 1 to 100; 20 if absent.' })

/** A place in the order of a conversation, in a query string. */
export function SeqText(description: string) {
  return Type.String({ pattern: SEQ, description })
}

/** Compiles a schema once. The function it returns gives the payload back, typed. @throws AppError `validation_failed` */
export function payloadCheck<Schema extends TSchema>(schema: Schema): (payload: unknown) => Static<Schema> {
  const validator = Compile(schema)
  return (payload) => {
    if (validator.Check(payload)) return payload as Static<Schema>
    throw new AppError('validation_failed', { fields: fieldErrors(validator.Errors(payload), 'payload') })
  }
}

/**
 * Says what is wrong, in plain words per top-level field.
 * @param whole names the input itself, for what is wrong with it and not with a field of it.
 */
export function fieldErrors(errors: readonly SchemaError[], whole = 'body'): FieldErrors {
  const messages = new Map<string, Set<string>>()
  const add = (field: string, message: string) => {
    messages.set(field, (messages.get(field) ?? new Set()).add(message))
  }
  for (const [path, found] of groupByPath(errors.slice(0, MOST_ERRORS))) {
    const [field = whole, ...inner] = path.split('/').slice(1).map(unescapePointer)
    for (const missing of found.flatMap(missingNames)) {
      if (path === '') add(missing, 'is required')
      else add(field, `lacks ${missing}`)
    }
    for (const message of sentences(found)) add(field, inner.length ? `has a value that ${message}` : message)
    if (found.every(isCondition) && !messages.has(field)) add(field, 'is not valid')
  }
  return Object.fromEntries([...messages].map(([field, set]) => [field, [...set]]))
}

function groupByPath(errors: SchemaError[]): Map<string, SchemaError[]> {
  const groups = new Map<string, SchemaError[]>()
  for (const error of errors) {
    const group = groups.get(error.instancePath)
    if (group) group.push(error)
    else groups.set(error.instancePath, [error])
  }
  return groups
}

/** Ajv tells that a condition failed after what failed in it, TypeBox tells nothing else. */
function isCondition({ keyword }: SchemaError): boolean {
  return keyword === 'if'
}

/** Ajv reports missing fields one by one, TypeBox together. */
function missingNames({ keyword, params }: SchemaError): string[] {
  if (keyword !== 'required') return []
  const { missingProperty, requiredProperties } = params as {
    missingProperty?: string
    requiredProperties?: string[]
  }
  return requiredProperties ?? [missingProperty ?? '']
}

/** The branches of a union each complain: about a value of the right type only the rule it breaks is told. */
function sentences(found: SchemaError[]): string[] {
  const told = found.filter((error) => error.keyword !== 'required' && !isCondition(error))
  if (!told.some(({ keyword }) => keyword === 'anyOf')) return told.map(sentence)
  const branches = told.filter(({ keyword }) => keyword !== 'anyOf')
  const rules = branches.filter(({ keyword }) => keyword !== 'type' && keyword !== 'const')
  if (rules.length) return rules.map(sentence)
  const choices = branches.map(choice)
  return choices.length ? [`must be ${[...new Set(choices)].join(' or ')}`] : ['is not valid']
}

function choice({ keyword, params }: SchemaError): string {
  const { type, allowedValue } = params as { type?: string; allowedValue?: unknown }
  return keyword === 'const' ? String(allowedValue) : typeName(type)
}

function sentence({ keyword, params }: SchemaError): string {
  const { type, limit, format, pattern, allowedValue, allowedValues } = params as Record<string, unknown>
  switch (keyword) {
    case 'type':
      return `must be ${typeName(type)}`
    case 'maxLength':
      return `must have at most ${count(limit, 'character')}`
    case 'minLength':
      return `must have at least ${count(limit, 'character')}`
    case 'maxItems':
      return `must have at most ${count(limit, 'item')}`
    case 'minItems':
      return `must have at least ${count(limit, 'item')}`
    case 'maximum':
      return `must be at most ${limit}`
    case 'minimum':
      return `must be at least ${limit}`
    case 'const':
      return `must be ${allowedValue}`
    case 'enum':
      return `must be one of ${(allowedValues as unknown[]).join(', ')}`
    case 'format':
      return format === 'uuid' ? 'must be a UUID' : 'is not in the right form'
    case 'pattern':
      return PATTERN_MESSAGES[String(pattern)] ?? 'is not in the right form'
    default:
      return 'is not valid'
  }
}

function typeName(type: unknown): string {
  const types = Array.isArray(type) ? type : [type]
  return types.map((name) => TYPE_NAMES[String(name)] ?? String(name)).join(' or ')
}

function count(limit: unknown, noun: string): string {
  return limit === 1 ? `1 ${noun}` : `${limit} ${noun}s`
}

function unescapePointer(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~')
}
