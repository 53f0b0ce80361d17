import type { Device } from '../../db/queries/sessions/sessions.ts'
import { isStorable } from '../shared/text.ts'

/** The device and address of a client, where known. */
export type ClientDevice = { [K in keyof Device]?: Device[K] | undefined }

const MAX_USER_AGENT_LENGTH = 500

/** Truncates the user agent, and drops one that PostgreSQL cannot store. */
export function storableDevice({ userAgent, ip }: ClientDevice): Device {
  const agent = userAgent?.slice(0, MAX_USER_AGENT_LENGTH) ?? null
  return { userAgent: agent !== null && isStorable(agent) ? agent : null, ip: ip ?? null }
}
