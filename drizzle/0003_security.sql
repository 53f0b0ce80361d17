CREATE TABLE "audit_events" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"session_id" uuid,
	"ip" text,
	"user_agent" text,
	"count" integer DEFAULT 1 NOT NULL,
	"inserted_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "mail_outbox" ADD COLUMN "details" json;--> statement-breakpoint
ALTER TABLE "profiles" ADD COLUMN "who_can_add" text DEFAULT 'everyone' NOT NULL;--> statement-breakpoint
ALTER TABLE "totp_devices" ADD COLUMN "enrolment_hash" "bytea";--> statement-breakpoint
ALTER TABLE "code_attempts" ADD COLUMN "expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "canonical_email" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "devices_valid_from" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "encryption_keys" ADD COLUMN "public_jwk" json;--> statement-breakpoint
ALTER TABLE "audit_events" ADD CONSTRAINT "audit_events_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_events_user" ON "audit_events" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "audit_events_inserted" ON "audit_events" USING btree ("inserted_at");--> statement-breakpoint
ALTER TABLE "profiles" ADD CONSTRAINT "profiles_who_can_add" CHECK ("profiles"."who_can_add" in ('everyone', 'contacts', 'nobody'));--> statement-breakpoint
CREATE INDEX "members_newest" ON "members" USING btree ("user_id","conversation_id");--> statement-breakpoint
DROP INDEX "members_user";--> statement-breakpoint
DROP INDEX "users_email_unique";--> statement-breakpoint
-- Domains that are not ASCII are corrected by the server at its start. Where two accounts have one address, the confirmed or
-- older one keeps it.
UPDATE "users" u SET "canonical_email" = c."canonical"
FROM (
  SELECT "id", "canonical", row_number() OVER (
    PARTITION BY "canonical" ORDER BY "email_confirmed_at" IS NULL, "inserted_at", "id"
  ) AS "place"
  FROM (
    SELECT *, translate(normalize("email", NFC), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') AS "canonical"
    FROM "users"
  ) a
) c
WHERE u."id" = c."id" AND c."place" = 1;--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_unique" ON "users" USING btree ("canonical_email");--> statement-breakpoint
CREATE INDEX "users_email_lower" ON "users" USING btree (lower("email"));--> statement-breakpoint
CREATE INDEX "users_email_unsettled" ON "users" USING btree ("id") WHERE ("canonical_email" is null or "canonical_email" ~ '@[^@]*[^\u0001-\u007f]');--> statement-breakpoint
-- The previous version of the server does not know the column.
CREATE FUNCTION "fill_canonical_email"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW."canonical_email" IS NOT NULL THEN RETURN NEW; END IF;
  ELSIF NEW."email" = OLD."email" OR NEW."canonical_email" IS DISTINCT FROM OLD."canonical_email" THEN
    RETURN NEW;
  END IF;
  NEW."canonical_email" := translate(normalize(NEW."email", NFC), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');
  RETURN NEW;
END
$$;--> statement-breakpoint
CREATE TRIGGER "users_canonical_email" BEFORE INSERT OR UPDATE OF "email" ON "users"
FOR EACH ROW EXECUTE FUNCTION "fill_canonical_email"();--> statement-breakpoint
DO $$ BEGIN
	CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
	RAISE EXCEPTION 'Parley needs the PostgreSQL extension pg_trgm: have an administrator run "create extension pg_trgm" in this database, then start again (%)', SQLERRM;
END $$;--> statement-breakpoint
CREATE INDEX "users_search" ON "users" USING gin (lower("email") gin_trgm_ops,lower("display_name") gin_trgm_ops,lower(case when "display_name" like '%_@_%' then '' else "display_name" end) gin_trgm_ops,lower("username") gin_trgm_ops) WITH (fastupdate=false);--> statement-breakpoint
CREATE INDEX "users_email_prefix" ON "users" USING btree (lower("email") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "users_display_name_prefix" ON "users" USING btree (lower("display_name") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "users_shown_name_prefix" ON "users" USING btree (lower(case when "display_name" like '%_@_%' then '' else "display_name" end) text_pattern_ops);--> statement-breakpoint
CREATE INDEX "users_username_prefix" ON "users" USING btree (lower("username") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "rooms_inserted" ON "rooms" USING btree ("inserted_at","id");
