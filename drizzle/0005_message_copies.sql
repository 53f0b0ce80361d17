-- The copies of a message move from rows of "messages" into the row of the message. Nodes of the previous version go on with the
-- rows: triggers keep both alike until no such node is left, and src/db/previous-layout.ts then drops "messages" and the triggers.
CREATE TABLE "copy_ranges" (
	"conversation_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"after_seq" bigint NOT NULL,
	"until_seq" bigint NOT NULL,
	CONSTRAINT "copy_ranges_conversation_id_user_id_until_seq_after_seq_pk" PRIMARY KEY("conversation_id","user_id","until_seq","after_seq")
);
--> statement-breakpoint
CREATE FUNCTION "is_base64"(content text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT length(content) % 4 = 0 AND content ~ '^[A-Za-z0-9+/]*([AQgw]==|[AEIMQUYcgkosw048]=)?$'
$$;--> statement-breakpoint
-- The id of a copy, as copyIds in src/db/queries/conversations/copies.ts makes it.
CREATE FUNCTION "message_copy_id"(group_id uuid, recipient_id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (left(group_id::text, 24) || lpad(to_hex(
    ('x' || right(group_id::text, 12))::bit(48)::bigint # ('x' || right(recipient_id::text, 12))::bit(48)::bigint
  ), 12, '0'))::uuid
$$;--> statement-breakpoint
CREATE FUNCTION "previous_layout_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  ids uuid[] := ARRAY(SELECT DISTINCT "group_id" FROM "changed");
BEGIN
  PERFORM fill_message_groups(ids, false);
  UPDATE "message_groups" SET "recipients" = NULL, "copies" = NULL, "copy_ids" = NULL
  WHERE "id" = ANY(ids) AND "deleted_seq" IS NOT NULL;
  INSERT INTO "copy_ranges"
  SELECT g."conversation_id", m."user_id", g."seq" - 1, g."seq"
  FROM "message_groups" g JOIN "members" m ON m."conversation_id" = g."conversation_id" AND m."joined_seq" >= g."seq"
  WHERE g."id" = ANY(ids) AND g."deleted_seq" IS NULL
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;--> statement-breakpoint
CREATE FUNCTION "message_group_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM "messages"
  WHERE "group_id" = NEW."id" AND (NEW."deleted_seq" IS NOT NULL OR "recipient_id" <> ALL(NEW."recipients"));
  INSERT INTO "messages" ("group_id", "recipient_id", "id", "conversation_id", "seq", "content", "updated_at")
  SELECT NEW."id", c."recipient_id", coalesce(NEW."copy_ids"[c.n], message_copy_id(NEW."id", c."recipient_id")),
    NEW."conversation_id", NEW."seq",
    CASE NEW."copy_encoding" WHEN 1 THEN replace(encode(c."copy", 'base64'), E'\n', '') ELSE convert_from(c."copy", 'UTF8') END,
    coalesce(NEW."updated_at", NEW."inserted_at")
  FROM unnest(NEW."recipients", NEW."copies") WITH ORDINALITY AS c ("recipient_id", "copy", n)
  WHERE NEW."deleted_seq" IS NULL
  ON CONFLICT ("group_id", "recipient_id") DO UPDATE SET "content" = excluded."content", "updated_at" = excluded."updated_at";
  RETURN NULL;
END
$$;--> statement-breakpoint
CREATE FUNCTION "member_deleted"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "copy_ranges"
  SELECT OLD."conversation_id", OLD."user_id", OLD."joined_seq", "last_seq"
  FROM "conversations" WHERE "id" = OLD."conversation_id" AND "last_seq" > OLD."joined_seq"
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;--> statement-breakpoint
-- One statement, as it locks the tables until it is done. It takes all locks at once, and gives up soon while others hold one: otherwise
-- it would block those behind it, or wait for statements that wait for it.
DO $$ BEGIN
  SET LOCAL lock_timeout = 100;
  LOOP
    BEGIN
      LOCK TABLE "users", "conversations", "members", "message_groups", "messages" IN ACCESS EXCLUSIVE MODE;
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM pg_sleep(0.1);
    END;
  END LOOP;
  ALTER TABLE "message_groups"
    ADD COLUMN "updated_at" timestamp (6) with time zone,
    ADD COLUMN "copy_encoding" smallint,
    ADD COLUMN "recipients" uuid[],
    ADD COLUMN "copies" "bytea"[],
    ADD COLUMN "copy_ids" uuid[],
    -- Ciphertext and random ids do not compress.
    ALTER COLUMN "recipients" SET STORAGE EXTERNAL,
    ALTER COLUMN "copies" SET STORAGE EXTERNAL,
    ALTER COLUMN "copy_ids" SET STORAGE EXTERNAL;
  ALTER TABLE "copy_ranges" ADD CONSTRAINT "copy_ranges_conversation_id_conversations_id_fk" FOREIGN KEY ("conversation_id") REFERENCES "public"."conversations"("id") ON DELETE cascade ON UPDATE no action;
  ALTER TABLE "copy_ranges" ADD CONSTRAINT "copy_ranges_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;
  CREATE TRIGGER "messages_inserted" AFTER INSERT ON "messages" REFERENCING NEW TABLE AS "changed"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION "previous_layout_changed"();
  CREATE TRIGGER "messages_updated" AFTER UPDATE ON "messages" REFERENCING NEW TABLE AS "changed"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION "previous_layout_changed"();
  CREATE TRIGGER "messages_deleted" AFTER DELETE ON "messages" REFERENCING OLD TABLE AS "changed"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION "previous_layout_changed"();
  CREATE TRIGGER "message_groups_inserted" AFTER INSERT ON "message_groups"
  FOR EACH ROW WHEN (NEW."copies" IS NOT NULL) EXECUTE FUNCTION "message_group_changed"();
  -- The previous version changes these columns too, but not the copies with an edit.
  CREATE TRIGGER "message_groups_updated" AFTER UPDATE OF "edited_seq", "deleted_seq" ON "message_groups"
  FOR EACH ROW WHEN (NEW."copies" IS DISTINCT FROM OLD."copies" OR NEW."deleted_seq" IS NOT NULL) EXECUTE FUNCTION "message_group_changed"();
  CREATE TRIGGER "members_deleted" AFTER DELETE ON "members"
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION "member_deleted"();
END $$;--> statement-breakpoint
-- Fills the rows of these messages from their copies in "messages".
CREATE FUNCTION "fill_message_groups"(ids uuid[], only_empty boolean) RETURNS void LANGUAGE sql AS $$
  UPDATE "message_groups" g SET
    "copy_encoding" = a."encoding", "recipients" = a."recipients", "copy_ids" = a."copy_ids",
    "copies" = ARRAY(
      SELECT CASE a."encoding" WHEN 1 THEN decode(c, 'base64') ELSE convert_to(c, 'UTF8') END FROM unnest(a."contents") c
    ),
    "updated_at" = nullif(a."updated_at", g."inserted_at")
  FROM (
    SELECT "group_id", bool_and(is_base64("content"))::int::smallint AS "encoding", max("updated_at") AS "updated_at",
      array_agg("recipient_id" ORDER BY "recipient_id") AS "recipients",
      array_agg("id" ORDER BY "recipient_id") AS "copy_ids",
      array_agg("content" ORDER BY "recipient_id") AS "contents"
    FROM "messages" WHERE "group_id" = ANY(ids) GROUP BY "group_id"
  ) a
  WHERE g."id" = a."group_id" AND g."deleted_seq" IS NULL AND (g."copies" IS NULL OR NOT only_empty)
$$;
