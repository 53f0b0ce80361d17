CREATE TABLE "attachments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"conversation_id" uuid NOT NULL,
	"uploader_id" uuid NOT NULL,
	"size" bigint NOT NULL,
	"received" bigint DEFAULT 0 NOT NULL,
	"writer" text,
	"writer_until" timestamp (3) with time zone,
	"message_id" uuid,
	"inserted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"released_at" timestamp (3) with time zone,
	"removed_at" timestamp (3) with time zone,
	CONSTRAINT "attachments_received" CHECK ("attachments"."received" between 0 and "attachments"."size")
);
--> statement-breakpoint
CREATE INDEX "attachments_conversation" ON "attachments" USING btree ("conversation_id");--> statement-breakpoint
CREATE INDEX "attachments_uploader" ON "attachments" USING btree ("uploader_id","inserted_at");--> statement-breakpoint
CREATE INDEX "attachments_message" ON "attachments" USING btree ("message_id") WHERE "attachments"."message_id" is not null;--> statement-breakpoint
CREATE INDEX "attachments_unbound" ON "attachments" USING btree ("inserted_at") WHERE "attachments"."message_id" is null and "attachments"."released_at" is null;--> statement-breakpoint
CREATE INDEX "attachments_released" ON "attachments" USING btree ("released_at") WHERE "attachments"."released_at" is not null and "attachments"."removed_at" is null;--> statement-breakpoint
CREATE INDEX "attachments_removed" ON "attachments" USING btree ("inserted_at") WHERE "attachments"."removed_at" is not null;--> statement-breakpoint
-- Earlier versions do not know the table: the attachments of what they delete are deleted as well.
CREATE FUNCTION "release_attachments"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'conversations' THEN
    UPDATE "attachments" SET "released_at" = now() WHERE "conversation_id" = OLD."id" AND "released_at" IS NULL;
  ELSE
    UPDATE "attachments" SET "released_at" = now() WHERE "message_id" = OLD."id" AND "released_at" IS NULL;
  END IF;
  RETURN NULL;
END
$$;--> statement-breakpoint
-- One statement, as it locks the tables until it is done. It gives up soon while others hold a lock: otherwise it would block those behind it.
DO $$ BEGIN
  SET LOCAL lock_timeout = 100;
  LOOP
    BEGIN
      LOCK TABLE "users", "conversations", "message_groups" IN SHARE ROW EXCLUSIVE MODE;
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM pg_sleep(0.1);
    END;
  END LOOP;
  ALTER TABLE "attachments" ADD CONSTRAINT "attachments_uploader_id_users_id_fk" FOREIGN KEY ("uploader_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;
  CREATE TRIGGER "conversations_attachments" AFTER DELETE ON "conversations" FOR EACH ROW
  WHEN (current_setting('application_name') IN ('parley', 'parley/2')) EXECUTE FUNCTION "release_attachments"();
  CREATE TRIGGER "message_groups_attachments" AFTER UPDATE OF "deleted_seq" ON "message_groups" FOR EACH ROW
  WHEN (NEW."deleted_seq" IS NOT NULL AND current_setting('application_name') IN ('parley', 'parley/2'))
  EXECUTE FUNCTION "release_attachments"();
END $$;
