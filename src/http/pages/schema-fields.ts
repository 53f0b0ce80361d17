import { Uuid } from '../../schemas/fields.ts'
import type { JsonSchema } from '../asyncapi/schemas.ts'
import { type Content, type Html, html } from './html.ts'

/** The keywords that are shown. */
interface Shown {
  $ref?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: JsonSchema[]
  type?: string | string[]
  format?: string
  pattern?: string
  items?: JsonSchema
  properties?: Record<string, JsonSchema>
  patternProperties?: Record<string, JsonSchema>
  required?: string[]
  description?: string
}

// The type of a schema hides its options.
const UUID_PATTERN = (Uuid() as Shown).pattern

/** Shows JSON Schemas as lists of fields, with links to the named schemas. */
export class SchemaFields {
  readonly #components: Record<string, JsonSchema>
  readonly #linked = new Set<string>()

  constructor(components: Record<string, JsonSchema>) {
    this.#components = components
  }

  /** The fields of a value, or its type if it has none. A named schema is shown in place. */
  body(schema: JsonSchema): Html {
    const shown = this.#resolve(schema)
    const { anyOf = [], description } = shown
    if (anyOf.length > 0) {
      const choices = anyOf.map((choice) => html`<li>${this.#choice(choice)}</li>`)
      return html`${description && html`<p>${prose(description)}</p>`}<p>One of:</p><ul class="choices">${choices}</ul>`
    }
    return this.#inner(shown) ?? html`<p class="value">${this.#type(shown)}${described(shown)}</p>`
  }

  /** The named schemas that were linked to, and those that they link to, by name. */
  linkedObjects(): [name: string, body: Html][] {
    const bodies = new Map<string, Html>()
    // Showing one may link to others, which the loop then visits as well.
    for (const name of this.#linked) bodies.set(name, this.body(this.#components[name] ?? {}))
    return [...bodies].sort(([one], [other]) => (one < other ? -1 : 1))
  }

  #choice(schema: JsonSchema): Html {
    const shown = schema as Shown
    const constant = constantOf(shown)
    if (constant) return html`<code>${constant}</code>${described(shown)}`
    if (shown.$ref) return html`${this.#type(shown)}${described(this.#resolve(schema))}`
    const inner = this.#inner(shown)
    return html`${inner ? described(shown, '') : html`${this.#type(shown)}${described(shown)}`}${inner}`
  }

  /** The fields of an object, of the items of a list, or of the values of a map; undefined if there are none. */
  #inner({ properties, items, patternProperties = {}, required = [] }: Shown): Html | undefined {
    const [value = items] = Object.values(patternProperties)
    if (!properties) return value && this.#inner(value as Shown)
    const fields = Object.entries(properties)
    if (fields.length === 0) return html`<p class="value">An empty object.</p>`
    return html`<dl class="fields">${fields.map(([name, field]) => this.#field(name, field, required))}</dl>`
  }

  #field(name: string, schema: JsonSchema, required: string[]): Html {
    const shown = schema as Shown
    const isOptional = !required.includes(name)
    return html`<dt><code>${name}</code> <span class="type">${this.#type(shown)}${isOptional && ', optional'}</span></dt>
<dd>${shown.description && html`<p>${prose(shown.description)}</p>`}${this.#inner(shown)}</dd>`
  }

  #type(shown: Shown): Content {
    const { $ref, anyOf, type, items, patternProperties } = shown
    if ($ref) return this.#link($ref.slice($ref.lastIndexOf('/') + 1))
    if ('const' in shown) return html`<code>${JSON.stringify(shown.const)}</code>`
    if (shown.enum) return joined(shown.enum.map((value) => html`<code>${JSON.stringify(value)}</code>`))
    if (anyOf) return joined(anyOf.map((choice) => this.#type(choice as Shown)))
    if (Array.isArray(type)) return joined(type)
    if (type === 'array') return html`list of ${this.#type((items ?? {}) as Shown)}`
    const [value] = Object.values(patternProperties ?? {})
    if (value) return isAny(value) ? 'object' : html`map of ${this.#type(value as Shown)}`
    if (shown.format === 'uuid' || shown.pattern === UUID_PATTERN) return 'UUID'
    return type ?? 'any value'
  }

  #link(name: string): Html {
    this.#linked.add(name)
    return html`<a href="#object.${name}">${name}</a>`
  }

  #resolve(schema: JsonSchema): Shown {
    const { $ref } = schema as Shown
    return $ref ? ((this.#components[$ref.slice($ref.lastIndexOf('/') + 1)] ?? {}) as Shown) : schema
  }
}

/** Text with its `code` marked. */
export function prose(text: string): Content[] {
  return text.split('`').map((piece, index) => (index % 2 ? html`<code>${piece}</code>` : piece))
}

function described({ description }: Shown, before = ': '): Content {
  return description && html`${before}${prose(description)}`
}

function joined(parts: Content[]): Content[] {
  return parts.map((part, index) => (index ? html` or ${part}` : part))
}

/** An object whose fields have one value each, as JSON. */
function constantOf({ properties = {} }: Shown): string | undefined {
  const fields = Object.entries(properties)
  if (fields.length === 0 || fields.some(([, field]) => !('const' in field))) return undefined
  return JSON.stringify(Object.fromEntries(fields.map(([name, field]) => [name, field.const]))).replaceAll(
    '":',
    '": ',
  )
}

function isAny(schema: JsonSchema): boolean {
  return Object.keys(schema).length === 0
}
