import { type Static, Type } from 'typebox'
import type { Contract } from '../../contract.ts'
import { AccountKeys } from '../account-keys.ts'
import { eventComponentByContract } from '../components.ts'
import { Message } from '../conversations.ts'
import { NullableText } from '../fields.ts'
import { UserSummary } from '../users.ts'
import { ConversationChange } from './messages.ts'
import { ConversationSummary, StoredKey } from './objects.ts'

const pageTokens = {
  documented: NullableText('For the next page; null on the last one.'),
  legacy: Type.Unsafe<string | null>({
    type: 'string',
    description: 'For the next page; empty on the last one.',
  }),
} satisfies Record<Contract, object>

/** A value for each member, by user id. */
function byMember<Value extends Parameters<typeof Type.Record>[1]>(value: Value, description: string) {
  return Type.Record(Type.String(), value, { description })
}

const joinReply = (contract: Contract) =>
  Type.Object({
    conversation: ConversationSummary,
    users: Type.Array(UserSummary, { description: 'The members, the user included.' }),
    last_seq: Type.Integer({ description: 'The `seq` of the latest change.' }),
    messages: Type.Optional(
      Type.Object(
        { items: Type.Array(Message), page_token: pageTokens[contract] },
        { description: 'The newest 20 messages, the newest first. Absent if `recovered` is true.' },
      ),
    ),
    recovered: Type.Optional(
      Type.Boolean({
        description:
          'Only with `after_seq`. True: `changes` has every change after it. False: discard what is known.',
      }),
    ),
    changes: Type.Optional(
      Type.Array(ConversationChange, {
        description: 'Only if `recovered` is true: the changes after `after_seq`, in the order of `seq`.',
      }),
    ),
    unread: Type.Integer({
      description: 'Messages of other members after `read_seq`, counted among the latest thousand.',
    }),
    read_seq: Type.Integer({ description: 'The `seq` up to which the user has read.' }),
    read_seqs: byMember(Type.Integer(), 'Up to which `seq` each member has read.'),
    read_times: byMember(NullableText('Null before the first time.'), 'When each member last read.'),
    public_keys: byMember(StoredKey, 'Members who have set no key are absent.'),
    account_keys: AccountKeys,
    private_key: Type.Union([StoredKey, Type.Null()], {
      description: "The user's own private key, as it was sent; null if none was set.",
    }),
  })

/** The reply to a join of `conversation:<id>`. */
export const JoinConversationReply = eventComponentByContract('JoinConversationReply', joinReply)
export type JoinConversationReply = Static<typeof JoinConversationReply>
