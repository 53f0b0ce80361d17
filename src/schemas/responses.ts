import { type TSchema, Type } from 'typebox'
import { component } from './components.ts'

/** The body of every error response. */
export const Problem = component(
  'Problem',
  Type.Object(
    {
      error: Type.Object({
        code: Type.String({ description: 'A stable error code for programs, in `snake_case`.' }),
        message: Type.String({ description: 'One sentence for people.' }),
      }),
      errors: Type.Optional(
        Type.Record(Type.String(), Type.Array(Type.String()), {
          description: 'The errors of each field. Only with status 422.',
        }),
      ),
    },
    { description: 'The request failed.' },
  ),
)

/** A response without a body. */
export const NoContent = Type.Null({ description: 'Done.' })

/** A response without a body to a conditional request. */
export const NotModified = Type.Null({ description: 'The client has this version.' })

/** One sentence for the user. */
export const Notice = component(
  'Notice',
  Type.Object({ message: Type.String() }, { description: 'What happened, or what to do next.' }),
)

/** A page for people. */
export const HtmlPage = {
  description: 'A page.',
  content: { 'text/html': { schema: Type.String() } },
}

/** A binary body or form field. */
export const Binary = Type.Unsafe<unknown>({ type: 'string', format: 'binary' })

const FAILURES = {
  400: 'The body is not JSON, or a token in the request is unknown, used or expired.',
  401: 'Not signed in: the token or the credentials are missing, invalid or expired.',
  403: 'The caller may not do this.',
  404: 'Not found.',
  409: 'Conflicts with the current state.',
  412: 'A precondition does not hold.',
  422: 'Fields are missing or invalid. `errors` has the reasons.',
  428: 'The request needs `If-Match` or `If-None-Match`.',
  429: 'Too many requests. Retry after `Retry-After` seconds.',
} as const

/** The error responses that a route documents. All other errors have the same body. */
export function failures(...statuses: (keyof typeof FAILURES)[]): Record<string, TSchema> {
  const described = statuses.map((status) => [status, problem(FAILURES[status])] as const)
  return {
    ...Object.fromEntries(described),
    '4xx': problem('The request was rejected. `error` has the reason.'),
    '5xx': problem('The server failed. Retry a 503 after `Retry-After` seconds.'),
  }
}

function problem(description: string): TSchema {
  return { ...Problem, description }
}
