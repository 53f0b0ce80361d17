import { Type } from 'typebox'
import { component } from './components.ts'
import { Id } from './fields.ts'

/** The reply to the beginning of an upload. */
export const CreatedAttachment = component(
  'CreatedAttachment',
  Type.Object(
    { id: Id, size: Type.Integer({ description: 'Bytes.' }) },
    { description: 'The upload, whose address is in the header `Location`.' },
  ),
)
