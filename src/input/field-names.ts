import type { FieldErrors } from '../errors.ts'

/** Converts the fields of an error, which are property names in `domain/`, to the snake_case of requests. */
export function requestFields(fields: FieldErrors): FieldErrors {
  return Object.fromEntries(Object.entries(fields).map(([name, errors]) => [snakeCase(name), errors]))
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
