-- Unread messages are counted from read_seq on: who was added later has read what was there before their first message.
UPDATE "members" m SET "read_seq" = f."seq"
FROM (
  SELECT o."conversation_id", o."user_id", coalesce(
    (SELECT min(c."seq") - 1 FROM "messages" c WHERE c."conversation_id" = o."conversation_id" AND c."recipient_id" = o."user_id"),
    (SELECT v."last_seq" FROM "conversations" v WHERE v."id" = o."conversation_id")
  ) AS "seq"
  FROM "members" o
) f
WHERE m."conversation_id" = f."conversation_id" AND m."user_id" = f."user_id" AND m."read_seq" < f."seq";
