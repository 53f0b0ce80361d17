/** A table expression in SQL: the stored copies of messages, a row each. */
export const STORED_COPIES = `(
  select g.id as group_id, g.conversation_id, g.seq::int as seq, c.recipient_id, case g.copy_encoding
    when 1 then replace(encode(c.copy, 'base64'), E'\\n', '') else convert_from(c.copy, 'UTF8') end as content
  from message_groups g, unnest(g.recipients, g.copies) as c (recipient_id, copy)
) copies`
