/**
 * Matches a topic against a pattern: an exact topic, or a prefix that ends in `*`.
 * @returns what the `*` stands for (empty for an exact match), or undefined.
 */
export function matchTopic(pattern: string, topic: string): string | undefined {
  if (!pattern.endsWith('*')) return topic === pattern ? '' : undefined
  const prefix = pattern.slice(0, -1)
  return topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined
}
