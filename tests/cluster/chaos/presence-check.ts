import { setTimeout as sleep } from 'node:timers/promises'
import { openSocket, settle } from '../../support/phoenix.ts'
import type { Node } from '../harness/node.ts'
import type { Deployment } from './deployment.ts'
import { expectedPresence, isSamePresence } from './differences.ts'
import type { Journal } from './journal.ts'
import { PresenceList } from './presence-list.ts'
import { readStoredState } from './stored-state.ts'

const TIMEOUT_MS = 20_000
const POLL_INTERVAL_MS = 250

/** Checks that every node lists the expected users as online. */
export async function checkPresenceOnNodes(deployment: Deployment, journal: Journal): Promise<void> {
  const expected = expectedPresence(deployment, await readStoredState(deployment.cluster.postgres.url))
  for (const node of deployment.cluster.nodes) {
    const deadline = Date.now() + TIMEOUT_MS
    let online = await presenceAt(node, deployment)
    while (!isSamePresence(online, expected) && Date.now() < deadline) {
      await sleep(POLL_INTERVAL_MS)
      online = await presenceAt(node, deployment)
    }
    if (!isSamePresence(online, expected))
      journal.violation(
        `${node.name} lists ${JSON.stringify(online)} as online, expected ${JSON.stringify(expected)}`,
      )
  }
}

/** Reads the presence list of one node, as a hidden user. */
async function presenceAt(node: Node, { devices }: Deployment): Promise<Record<string, number>> {
  const token = devices[0]?.token ?? ''
  const socket = openSocket(`${node.url.replace('http', 'ws')}/socket`, { params: { token } })
  try {
    const channel = socket.channel('system:general', { token, hidden: true })
    const online = new PresenceList(channel)
    const stateReceived = new Promise((resolve) => channel.on('presence_state', resolve))
    await Promise.race([settle(channel.join()).then(() => stateReceived), sleep(TIMEOUT_MS)])
    return online.counts
  } finally {
    socket.disconnect()
  }
}
