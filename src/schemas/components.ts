import { type Static, type TSchema, type TUnsafe, Type } from 'typebox'
import type { Contract } from '../contract.ts'

type SchemaOf = (contract: Contract) => TSchema

/** Schemas by name; some differ between the dialects of the contract. */
const components = new Map<string, SchemaOf>()
/** The same for schemas that only the description of the sockets has. */
const eventComponents = new Map<string, SchemaOf>()

/**
 * Names a schema, so that the API description and the types generated from it have one definition of it, under
 * `components.schemas`.
 * @returns a reference to it, for the schemas of routes. @throws when the name is taken.
 */
export function component<Schema extends TSchema>(name: string, schema: Schema): TUnsafe<Static<Schema>> {
  return componentByContract(name, () => schema)
}

/** Like `component`, for a schema that differs between the dialects. Its values are not type-checked. */
export function componentByContract<Value = unknown>(name: string, schemaOf: SchemaOf): TUnsafe<Value> {
  return add<Value>(components, name, schemaOf)
}

/** Like `component`, for what only travels over the sockets: the description of the HTTP API does not list it. */
export function eventComponent<Schema extends TSchema>(
  name: string,
  schema: Schema,
): TUnsafe<Static<Schema>> {
  return eventComponentByContract(name, () => schema)
}

/** Like `eventComponent`, for a schema that differs between the dialects. */
export function eventComponentByContract<Schema extends TSchema>(
  name: string,
  schemaOf: (contract: Contract) => Schema,
): TUnsafe<Static<Schema>> {
  return add<Static<Schema>>(eventComponents, name, schemaOf)
}

/** A schema with its name as `$id`. */
export type NamedSchema = TSchema & { $id: string }

/** The named schemas of the HTTP API in a dialect. */
export function namedSchemas(contract: Contract): NamedSchema[] {
  return named(components, contract)
}

/** The named schemas of events in a dialect, and those of the HTTP API, to which they refer. */
export function namedEventSchemas(contract: Contract): NamedSchema[] {
  return [...named(eventComponents, contract), ...named(components, contract)]
}

function add<Value>(map: Map<string, SchemaOf>, name: string, schemaOf: SchemaOf): TUnsafe<Value> {
  if (components.has(name) || eventComponents.has(name)) {
    throw new Error(`There are two schemas named ${name}`)
  }
  map.set(name, schemaOf)
  return Type.Unsafe<Value>({ $ref: `${name}#` })
}

function named(map: Map<string, SchemaOf>, contract: Contract): NamedSchema[] {
  return [...map].map(([name, schemaOf]) => ({ ...schemaOf(contract), $id: name }))
}
