/** Presence, and what concerns no conversation yet. */
export const SYSTEM_TOPIC = 'system:general'

/** The topic of one user. */
export function userTopic(userId: string): string {
  return `user:${userId}`
}

/** The topic of one conversation. */
export function conversationTopic(id: string): string {
  return `conversation:${id}`
}
