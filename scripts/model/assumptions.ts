import type { Bench, Limits, Usage } from './capacity.ts'

/** The assumed usage. Replace it by your own. */
export const USAGE: Usage = {
  onlineShare: 0.1,
  devicesPerUser: 1.3,
  messagesPerDay: 40,
  peakFactor: 3,
  copiesPerMessage: 5,
  connectsPerDay: 10,
  sessionSeconds: 1_800,
}

/** From docs/performance.md: group sends by members, idle connections, presence, the database alone. */
export const BENCH: Bench = {
  nodeCopyUs: 12.3,
  postgresqlCopyUs: 12,
  connectUs: 150,
  diskBytes: { message: 270, copy: 290 },
  walBytes: { message: 430, copy: 300 },
  presenceBytes: 100,
}

/** Half of the capacity is reserved for failed nodes and unexpected load. */
export const LIMITS: Limits = {
  maxUtilization: 0.5,
  connectionsPerNode: 50_000,
  postgresqlCores: 16,
  walBytesPerSecond: 100e6,
}
