import type { Bench, Habits, Limits } from './site.ts'

/** People who write now and then to friends and to groups. Put your own in their place. */
export const HABITS: Habits = {
  online: 0.1,
  devices: 1.3,
  messagesPerDay: 40,
  peak: 3,
  copies: 5,
  connectsPerDay: 10,
  stay: 1_800,
}

/** From docs/performance.md: how group sends grow with their members, idle connections, presence, the database alone. */
export const BENCH: Bench = {
  nodeCopyUs: 12.3,
  postgresqlCopyUs: 20,
  connectUs: 150,
  diskBytes: { message: 160, copy: 610 },
  walBytes: { message: 400, copy: 730 },
  presenceBytes: 100,
}

/** Half busy at the worst hour: the rest is for nodes that are away, and for what nobody foresaw. */
export const LIMITS: Limits = {
  busy: 0.5,
  connectionsPerNode: 50_000,
  postgresqlCores: 16,
  walBytesPerSecond: 100e6,
}
