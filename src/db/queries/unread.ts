/** Messages that are looked at: whoever has more to read is not helped by a number, which would take long to count. */
const MOST_COUNTED = 1_000

/**
 * An SQL expression for what a member has not read: how many of the latest thousand messages that were sent to them after the
 * place they have read up to are of others. Those that were deleted have no copies any more.
 * @param member the name of a row of `members` in the statement.
 */
export function unreadOf(member: string): string {
  // Asked for one by one, senders are found by their key; as a join, the planner may read the whole table for them.
  return `(
    select count(*)::int from (
      select group_id from messages
      where conversation_id = ${member}.conversation_id and recipient_id = ${member}.user_id
        and seq > ${member}.read_seq
      order by seq desc limit ${MOST_COUNTED}
    ) latest
    where (select sender_id from message_groups where id = latest.group_id) <> ${member}.user_id
  )`
}
