import { type TSchema, Type } from 'typebox'
import type { Contract } from '../contract.ts'
import { NullableText } from './fields.ts'

const ONE_PAGE = { description: 'One page.' }

/** A body that is one page, in the shape of each dialect. */
export function pageOf(contract: Contract, name: string, item: TSchema): TSchema {
  return PAGES[contract](name, Type.Array(item))
}

const PAGES: Record<Contract, (name: string, items: TSchema) => TSchema> = {
  documented: (_name, items) =>
    Type.Object({ items, page_token: NullableText('For the next page; null on the last one.') }, ONE_PAGE),
  legacy: (name, items) =>
    Type.Object(
      {
        [name]: Type.Object({
          items,
          page_token: Type.String({ description: 'For the next page; empty on the last one.' }),
        }),
      },
      ONE_PAGE,
    ),
}
