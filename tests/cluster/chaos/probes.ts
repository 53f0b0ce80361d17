import { setTimeout as sleep } from 'node:timers/promises'
import { openSocket, settle } from '../../support/phoenix.ts'
import type { Node } from '../rig/node.ts'
import { expectedPresence, isSamePresence } from './differences.ts'
import type { Journal } from './journal.ts'
import { Online } from './online.ts'
import type { Site } from './site.ts'
import { readTruth } from './truth.ts'

const WITHIN_MS = 20_000
const PAUSE_MS = 250

/** Asks every node who is online: all must say the same, and what is so. */
export async function checkRosters(site: Site, journal: Journal): Promise<void> {
  const expected = expectedPresence(site, await readTruth(site.cluster.postgres.url))
  for (const node of site.cluster.nodes) {
    const deadline = Date.now() + WITHIN_MS
    let online = await presenceAt(node, site)
    while (!isSamePresence(online, expected) && Date.now() < deadline) {
      await sleep(PAUSE_MS)
      online = await presenceAt(node, site)
    }
    if (!isSamePresence(online, expected))
      journal.violation(
        `${node.name} lists ${JSON.stringify(online)} as online, and not ${JSON.stringify(expected)}`,
      )
  }
}

/** Who is online as one node tells it to somebody who comes in unseen. */
async function presenceAt(node: Node, { devices }: Site): Promise<Record<string, number>> {
  const token = devices[0]?.token ?? ''
  const socket = openSocket(`${node.url.replace('http', 'ws')}/socket`, { params: { token } })
  try {
    const channel = socket.channel('system:general', { token, hidden: true })
    const online = new Online(channel)
    const told = new Promise((resolve) => channel.on('presence_state', resolve))
    await Promise.race([settle(channel.join()).then(() => told), sleep(WITHIN_MS)])
    return online.counts
  } finally {
    socket.disconnect()
  }
}
