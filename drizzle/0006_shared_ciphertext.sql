-- One statement, as it locks the table until it is done. It gives up soon while others hold a lock: otherwise it would block those behind it.
DO $$ BEGIN
  SET LOCAL lock_timeout = 100;
  LOOP
    BEGIN
      LOCK TABLE "message_groups" IN ACCESS EXCLUSIVE MODE;
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM pg_sleep(0.1);
    END;
  END LOOP;
  -- Ciphertext does not compress.
  ALTER TABLE "message_groups" ADD COLUMN "shared" text, ALTER COLUMN "shared" SET STORAGE EXTERNAL;
END $$;--> statement-breakpoint
-- Earlier versions do not know the column: what they edit or delete must not keep the ciphertext of what it replaces.
CREATE FUNCTION "clear_shared_ciphertext"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW."shared" := NULL;
  RETURN NEW;
END
$$;--> statement-breakpoint
CREATE TRIGGER "message_groups_shared" BEFORE UPDATE OF "copies" ON "message_groups" FOR EACH ROW
WHEN (OLD."shared" IS NOT NULL AND current_setting('application_name') IN ('parley', 'parley/2'))
EXECUTE FUNCTION "clear_shared_ciphertext"();
