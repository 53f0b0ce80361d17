/** The topic of online presence and of events that belong to no conversation. */
export const SYSTEM_TOPIC = 'system:general'

/** The topic of one user. */
export function userTopic(userId: string): string {
  return `user:${userId}`
}

/** The topic of one conversation. */
export function conversationTopic(id: string): string {
  return `conversation:${id}`
}

/** The topic of one room. */
export function roomTopic(id: string): string {
  return `room:${id}`
}
