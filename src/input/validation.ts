import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { AppError, type FieldErrors } from '../errors.ts'
import { PATTERN_MESSAGES } from '../schemas/fields.ts'

/** A validation error, with the properties that Ajv and TypeBox share. */
export interface SchemaError {
  keyword: string
  /** JSON Pointer (RFC 6901) to the offending value. */
  instancePath: string
  params: object
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

/** Errors that are reported for one value. */
const MAX_ERRORS = 100

/** Characters of a text that are validated for an error message. No field may be longer. */
const MAX_VALIDATED_LENGTH = 4_096

/** Compiles a schema into a function that validates a payload and returns it typed. @throws AppError `validation_failed` */
export function payloadCheck<Schema extends TSchema>(schema: Schema): (payload: unknown) => Static<Schema> {
  const validator = Compile(schema)
  return (payload) => {
    if (validator.Check(payload)) return payload as Static<Schema>
    throw new AppError('validation_failed', { fields: fieldErrors(firstErrors(schema, payload), 'payload') })
  }
}

/** The keywords of a schema that describe nested values. */
interface Shape {
  properties?: Record<string, TSchema>
  patternProperties?: Record<string, TSchema>
  required?: string[]
  items?: TSchema
  maxItems?: number
  minItems?: number
}

/**
 * The errors of each field. Lengths are checked first, and only the first invalid item of a list is reported: TypeBox would
 * walk the whole value and report every item.
 */
function firstErrors(schema: TSchema, value: unknown, path = ''): SchemaError[] {
  const shape = schema as Shape
  const errors =
    Array.isArray(value) && shape.items
      ? listErrors({ ...shape, items: shape.items }, value, path)
      : isObject(value) && (shape.properties || shape.patternProperties)
        ? objectErrors(shape, value, path)
        : []
  return errors.length > 0 ? errors : ownErrors(schema, value, path)
}

function listErrors(
  { items, maxItems = Number.POSITIVE_INFINITY, minItems = 0 }: Shape & { items: TSchema },
  list: unknown[],
  path: string,
): SchemaError[] {
  const error = (keyword: string, limit: number) => [{ keyword, instancePath: path, params: { limit } }]
  if (list.length > maxItems) return error('maxItems', maxItems)
  if (list.length < minItems) return error('minItems', minItems)
  const validator = compiled(items)
  const index = list.findIndex((item) => !validator.Check(item))
  return index < 0 ? [] : firstErrors(items, list[index], `${path}/${index}`)
}

function objectErrors(
  { properties = {}, patternProperties = {}, required = [] }: Shape,
  object: Record<string, unknown>,
  path: string,
): SchemaError[] {
  const missing = required.filter((name) => object[name] === undefined)
  const errors: SchemaError[] = missing.length
    ? [{ keyword: 'required', instancePath: path, params: { requiredProperties: missing } }]
    : []
  const errorsAt = (schema: TSchema, name: string) =>
    firstErrors(schema, object[name], `${path}/${escapePointer(name)}`)
  for (const [name, property] of Object.entries(properties)) {
    if (object[name] === undefined || compiled(property).Check(object[name])) continue
    errors.push(...errorsAt(property, name))
  }
  for (const entry of Object.values(patternProperties)) {
    const validator = compiled(entry)
    const name = Object.keys(object).find((key) => !validator.Check(object[key]))
    if (name !== undefined) errors.push(...errorsAt(entry, name))
  }
  return errors
}

/** The errors of a value itself, without those of nested values. */
function ownErrors(schema: TSchema, value: unknown, path: string): SchemaError[] {
  const text =
    typeof value === 'string' && value.length > MAX_VALIDATED_LENGTH
      ? value.slice(0, MAX_VALIDATED_LENGTH).toWellFormed()
      : value
  const found: SchemaError[] = compiled(schema).Errors(
    Array.isArray(value) ? [] : isObject(value) ? {} : text,
  )
  if (found.length === 0) return [{ keyword: 'other', instancePath: path, params: {} }]
  return found.map((error) => ({ ...error, instancePath: path + error.instancePath }))
}

const validators = new WeakMap<TSchema, ReturnType<typeof Compile>>()

function compiled(schema: TSchema) {
  const known = validators.get(schema) ?? Compile(schema)
  validators.set(schema, known)
  return known
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function escapePointer(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1')
}

/**
 * Converts validation errors to messages by top-level field.
 * @param whole the field name for errors of the input itself.
 */
export function fieldErrors(errors: readonly SchemaError[], whole = 'body'): FieldErrors {
  const messages = new Map<string, Set<string>>()
  const add = (field: string, message: string) => {
    messages.set(field, (messages.get(field) ?? new Set()).add(message))
  }
  for (const [path, found] of groupByPath(errors.slice(0, MAX_ERRORS))) {
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

/** Ajv reports a failed condition after the errors in it. TypeBox reports only the failed condition. */
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

/** Every branch of a union reports errors. For a value of the right type, only the violated rule is kept. */
function sentences(found: SchemaError[]): string[] {
  const errors = found.filter((error) => error.keyword !== 'required' && !isCondition(error))
  if (!errors.some(({ keyword }) => keyword === 'anyOf')) return errors.map(sentence)
  const branches = errors.filter(({ keyword }) => keyword !== 'anyOf')
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
    case 'additionalProperties':
      return 'has a member that is not allowed'
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
