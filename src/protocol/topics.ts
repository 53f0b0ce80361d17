/**
 * Matches a topic against a pattern: an exact topic, or a prefix that ends in `*`.
 * @returns the part that `*` matches (empty for an exact topic); undefined without a match.
 */
export function matchTopic(pattern: string, topic: string): string | undefined {
  if (!pattern.endsWith('*')) return topic === pattern ? '' : undefined
  const prefix = pattern.slice(0, -1)
  return topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined
}
