ALTER TABLE "members" ADD COLUMN "joined_seq" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "message_groups" ADD COLUMN "client_message_id" uuid;--> statement-breakpoint
ALTER TABLE "room_messages" ADD COLUMN "client_message_id" uuid;--> statement-breakpoint
CREATE UNIQUE INDEX "message_groups_client_message" ON "message_groups" USING btree ("conversation_id","sender_id","client_message_id") WHERE "message_groups"."client_message_id" is not null;--> statement-breakpoint
CREATE INDEX "message_groups_edited" ON "message_groups" USING btree ("conversation_id","edited_seq") WHERE "message_groups"."edited_seq" is not null and "message_groups"."deleted_seq" is null;--> statement-breakpoint
CREATE INDEX "message_groups_deleted" ON "message_groups" USING btree ("conversation_id","deleted_seq") WHERE "message_groups"."deleted_seq" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "room_messages_client_message" ON "room_messages" USING btree ("room_id","sender_id","client_message_id") WHERE "room_messages"."client_message_id" is not null;