/** The number of messages that are examined: counting more is slow, and an exact higher number is of no use. */
const MAX_UNREAD_COUNT = 1_000

/**
 * An SQL expression that counts the unread messages of a member: those of other senders among the latest thousand that are not deleted
 * and after `read_seq`. The member has a copy of each, because `read_seq` starts at the `seq` at which the member was added.
 * @param member the alias of a row of `members` in the statement.
 */
export function unreadOf(member: string): string {
  return `(
    select count(*)::int from (
      select sender_id from message_groups
      where conversation_id = ${member}.conversation_id and seq > ${member}.read_seq and deleted_seq is null
      order by seq desc limit ${MAX_UNREAD_COUNT}
    ) latest
    where sender_id <> ${member}.user_id
  )`
}
