import type { TSchema } from 'typebox'
import { Compile } from 'typebox/schema'
import type { Contract } from '../../src/config/config.ts'
import { asyncApiDocument } from '../../src/http/asyncapi/document.ts'
import { chooseDialect } from '../../src/views/dialect.ts'

/** A message of an AsyncAPI document. */
export interface DocumentedMessage {
  name: string
  contentType?: string
  headers?: object
  payload: object
  examples: { headers?: object; payload: unknown }[]
}

/** The parts of an AsyncAPI document that tests read. */
export interface AsyncApi {
  channels: Record<string, { address: string; messages: Record<string, DocumentedMessage> }>
  operations: Record<string, { action: 'send' | 'receive'; channel: { $ref: string } }>
  components: { schemas: Record<string, object> }
}

/** The document of a dialect. */
export function documentOf(contract: Contract): AsyncApi {
  const options = { publicUrl: 'http://localhost:4000', version: '1.0.0', license: 'MIT' }
  const document = asyncApiDocument({ contract, dialect: chooseDialect(contract), ...options })
  // The document is plain JSON without a type; a test against the official parser checks that it is AsyncAPI.
  return JSON.parse(JSON.stringify(document)) as AsyncApi
}

/** Checks values against the schemas of a document. Fields that no schema lists are errors. */
export class DocumentChecker {
  readonly #schemas: unknown
  readonly #checks = new WeakMap<object, (value: unknown) => string[]>()

  constructor({ components }: AsyncApi) {
    this.#schemas = closed(components.schemas)
  }

  /** The errors of a value; empty if it matches. */
  errors(schema: object, value: unknown): string[] {
    const known = this.#checks.get(schema)
    if (known) return known(value)
    const check = this.#compile(schema)
    this.#checks.set(schema, check)
    return check(value)
  }

  #compile(schema: object): (value: unknown) => string[] {
    const whole = { allOf: [closed(schema)], components: { schemas: this.#schemas } }
    const validator = Compile(whole as TSchema)
    return (value) => {
      if (validator.Check(value)) return []
      const [, errors] = validator.Errors(value)
      return errors.map(({ instancePath, message }) => `${instancePath} ${message}`)
    }
  }
}

/** The schema, with `additionalProperties: false` in every object that lists its fields. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const inner = Object.entries(schema).map(([key, value]) => [key, closed(value)])
  const result = Object.fromEntries(inner)
  return schema instanceof Object && isObjectSchema(schema)
    ? { ...result, additionalProperties: false }
    : result
}

function isObjectSchema(schema: object): boolean {
  const { type, properties } = schema as { type?: unknown; properties?: unknown }
  return type === 'object' && properties !== undefined
}
