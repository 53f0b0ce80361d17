import { type Static, type TSchema, type TUnsafe, Type } from 'typebox'
import type { Contract } from '../config/config.ts'

/** Schemas by name; some differ between the dialects of the contract. */
const components = new Map<string, (contract: Contract) => TSchema>()

/**
 * Names a schema, so that the API description and the types generated from it have one definition of it, under
 * `components.schemas`.
 * @returns a reference to it, for the schemas of routes. @throws when the name is taken.
 */
export function component<Schema extends TSchema>(name: string, schema: Schema): TUnsafe<Static<Schema>> {
  return componentByContract(name, () => schema)
}

/** Like `component`, for a schema that differs between the dialects. Its values are not type-checked. */
export function componentByContract<Value = unknown>(
  name: string,
  schemaOf: (contract: Contract) => TSchema,
): TUnsafe<Value> {
  if (components.has(name)) throw new Error(`There are two schemas named ${name}`)
  components.set(name, schemaOf)
  return Type.Unsafe<Value>({ $ref: `${name}#` })
}

/** The named schemas of a dialect, each with its name as `$id`. */
export function namedSchemas(contract: Contract): (TSchema & { $id: string })[] {
  return [...components].map(([name, schemaOf]) => ({ ...schemaOf(contract), $id: name }))
}
