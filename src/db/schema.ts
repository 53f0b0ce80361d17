export * from './schema/accounts.ts'
export * from './schema/conversations.ts'
export * from './schema/rooms.ts'
