/** Messages that are looked at: whoever has more to read is not helped by a number, which would take long to count. */
const MAX_UNREAD_COUNT = 1_000

/**
 * An SQL expression for what a member has not read: how many of the latest thousand messages after the place they have read up
 * to are of others, and not deleted. They were sent all of these: nobody has read less than what was there before them.
 * @param member the name of a row of `members` in the statement.
 */
export function unreadOf(member: string): string {
  return `(
    select count(*)::int from (
      select sender_id, deleted_seq from message_groups
      where conversation_id = ${member}.conversation_id and seq > ${member}.read_seq
      order by seq desc limit ${MAX_UNREAD_COUNT}
    ) latest
    where sender_id <> ${member}.user_id and deleted_seq is null
  )`
}
