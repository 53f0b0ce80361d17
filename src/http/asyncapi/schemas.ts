import type { TSchema } from 'typebox'
import type { Contract } from '../../config/config.ts'
import { type NamedSchema, namedEventSchemas } from '../../schemas/components.ts'

/** A JSON Schema in a document. */
export type JsonSchema = Record<string, unknown>

/** Collects the named schemas that a document refers to. */
export class SchemaCollector {
  readonly #known: Map<string, NamedSchema>
  readonly #used = new Map<string, JsonSchema>()

  constructor(contract: Contract) {
    this.#known = new Map(namedEventSchemas(contract).map((schema) => [schema.$id, schema]))
  }

  /** The schema as plain JSON, which refers to named schemas as components of the document. */
  convert(schema: TSchema): JsonSchema {
    return this.#resolve(JSON.parse(JSON.stringify(schema))) as JsonSchema
  }

  /** Every named schema that was referred to, by name. */
  get components(): Record<string, JsonSchema> {
    return Object.fromEntries([...this.#used].sort(([one], [other]) => (one < other ? -1 : 1)))
  }

  #resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#resolve(item))
    if (typeof value !== 'object' || value === null) return value
    const { $ref } = value as { $ref?: unknown }
    if (typeof $ref === 'string') return { $ref: `#/components/schemas/${this.#use($ref)}` }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, this.#resolve(inner)]))
  }

  #use(reference: string): string {
    const name = reference.replace(/#$/, '')
    const known = this.#known.get(name)
    if (!known) throw new Error(`There is no schema named ${name}`)
    if (!this.#used.has(name)) {
      this.#used.set(name, {})
      const { $id: _, ...schema } = known
      this.#used.set(name, this.convert(schema))
    }
    return name
  }
}
