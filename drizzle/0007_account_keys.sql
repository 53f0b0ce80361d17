CREATE TABLE "account_data" (
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"version" bigint NOT NULL,
	"data" text NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "account_data_user_id_name_pk" PRIMARY KEY("user_id","name"),
	CONSTRAINT "account_data_size" CHECK (octet_length("account_data"."data") <= 65536)
);
--> statement-breakpoint
CREATE TABLE "account_data_versions" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"last_version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "account_key_history" (
	"user_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"entry" json NOT NULL,
	CONSTRAINT "account_key_history_user_id_version_pk" PRIMARY KEY("user_id","version")
);
--> statement-breakpoint
CREATE TABLE "account_keys" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"version" integer NOT NULL,
	"encryption_key" json NOT NULL,
	"signing_key" json NOT NULL,
	"thumbprint" text NOT NULL,
	"locked" text NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "account_keys_locked" CHECK (octet_length("account_keys"."locked") <= 16384)
);
--> statement-breakpoint
ALTER TABLE "account_data" ADD CONSTRAINT "account_data_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "account_data_versions" ADD CONSTRAINT "account_data_versions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "account_key_history" ADD CONSTRAINT "account_key_history_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "account_keys" ADD CONSTRAINT "account_keys_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;