import { ErrorReason } from '../codes.ts'
import { Refusal } from './refusal.ts'

/** The part of Standard Schema (https://standardschema.dev) that validates. Zod, Valibot and ArkType implement it. */
export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** Validates payloads: a Standard Schema, or a function that returns the valid payload or throws. */
export type PayloadSchema<Payload> = StandardSchema<Payload> | ((payload: unknown) => Payload)

/**
 * Validates a payload.
 * @throws Refusal `{reason: 'invalid_payload'}`; by a Standard Schema with `errors`, the messages for each field.
 */
export function parsePayload<Payload>(
  schema: PayloadSchema<Payload>,
  payload: unknown,
): Payload | Promise<Payload> {
  // The schemas of ArkType are functions too.
  if ('~standard' in schema) {
    const result = schema['~standard'].validate(payload)
    return result instanceof Promise ? result.then(unwrap) : unwrap(result)
  }
  try {
    return schema(payload)
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal({ reason: ErrorReason.invalidPayload }, { cause: error })
  }
}

function unwrap<Output>(result: StandardResult<Output>): Output {
  if (!result.issues) return result.value
  const errors = new Map<string, string[]>()
  for (const { message, path = [] } of result.issues) {
    const field = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    errors.set(field || 'payload', [...(errors.get(field || 'payload') ?? []), message])
  }
  throw new Refusal({ reason: ErrorReason.invalidPayload, errors: Object.fromEntries(errors) })
}
