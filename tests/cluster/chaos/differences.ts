import type { ConversationView } from './conversation-view.ts'
import type { Deployment } from './deployment.ts'
import type { Device } from './device.ts'
import type { RoomView } from './room-view.ts'
import type { StoredConversation, StoredRoom, StoredState } from './stored-state.ts'

/** Something in which a device does not match the database. */
export interface Difference {
  what: string
  device: string
  /** The message it is about. */
  message?: string
}

/** Compares the state of all devices with the database. */
export function differences(deployment: Deployment, state: StoredState): Difference[] {
  return [
    ...deployment.devices.flatMap((device) => [
      ...deployment.conversations.flatMap((id) => conversationDifferences(device, id, state)),
      ...deployment.rooms.flatMap((id) => roomDifferences(device, id, state)),
    ]),
    ...presenceDifferences(deployment, state),
    ...roomCountDifferences(deployment, state),
  ]
}

/** The expected number of connections by user. Hidden users are not listed. */
export function expectedPresence(deployment: Deployment, state: StoredState): Record<string, number> {
  const visible = deployment.people.filter(({ id }) => !state.hidden.has(id))
  return Object.fromEntries(visible.map(({ id, devices }) => [id, devices.length]))
}

/** Whether two presence lists are equal. */
export function isSamePresence(a: Record<string, number>, b: Record<string, number>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

function conversationDifferences(device: Device, id: string, state: StoredState): Difference[] {
  const stored = state.conversations.get(id)
  const about = (what: string, message?: string) => ({
    what: `${device.name} ${what} (conversation ${id})`,
    device: device.name,
    ...(message && { message }),
  })
  const isMember = stored?.members.has(device.userId)
  const hasJoined = device.hasJoined(`conversation:${id}`)
  if (!isMember) return hasJoined ? [about('has joined a conversation that its user has left')] : []
  const view = device.conversations.get(id)
  if (!hasJoined || !view) return [about('has not joined a conversation of its user')]
  const found = messageDifferences(device, view, stored as StoredConversation)
  const wrong = found.map(([what, message]) => about(what, message))
  const members = [...(stored as StoredConversation).members.keys()]
  const isSame = members.length === view.members.size && members.every((member) => view.members.has(member))
  return isSame ? wrong : [...wrong, about(`counts ${view.members.size} members, expected ${members.length}`)]
}

function messageDifferences(
  device: Device,
  view: ConversationView,
  stored: StoredConversation,
): [string, string][] {
  // Earlier messages are in the history, which is not compared.
  const from = Math.max(view.oldestKnownSeq, (stored.members.get(device.userId) ?? 0) + 1)
  const found: [string, string][] = []
  const copies = stored.copies.get(device.userId) ?? new Map<string, { seq: number; content: string }>()
  for (const [group, { seq, content }] of copies) {
    if (seq < from) continue
    const known = view.messages.get(group)
    if (!known)
      found.push([
        `misses message ${group}, seq ${seq}, and has applied changes up to ${view.lastAppliedSeq}`,
        group,
      ])
    else if (known.content !== content)
      found.push([`has an outdated text of message ${group}, seq ${seq}`, group])
  }
  for (const [group, { seq }] of view.messages) {
    if (seq >= from && !copies.has(group))
      found.push([`has message ${group}, seq ${seq}, which is deleted`, group])
  }
  return found
}

function roomDifferences(device: Device, id: string, state: StoredState): Difference[] {
  const stored = state.rooms.get(id)
  const about = (what: string, message?: string) => ({
    what: `${device.name} ${what} (room ${id})`,
    device: device.name,
    ...(message && { message }),
  })
  const hasJoined = device.hasJoined(`room:${id}`)
  if (!stored?.members.has(device.userId))
    return hasJoined ? [about('has joined a room that its user has left')] : []
  const view = device.rooms.get(id)
  if (!hasJoined || !view) return [about('has not joined a room of its user')]
  return roomMessageDifferences(view, stored).map(([what, message]) => about(what, message))
}

function roomMessageDifferences(view: RoomView, { messages }: StoredRoom): [string, string][] {
  const missing = [...messages].filter(([id]) => !view.texts.has(id))
  const unknown = [...view.texts.keys()].filter((id) => !messages.has(id))
  return [
    ...missing.map(([id, { seq }]): [string, string] => [`misses message ${id}, seq ${seq}`, id]),
    ...unknown.map((id): [string, string] => [`has message ${id}, which is not stored`, id]),
  ]
}

function presenceDifferences(deployment: Deployment, state: StoredState): Difference[] {
  const expected = expectedPresence(deployment, state)
  return deployment.devices
    .filter(({ online }) => !isSamePresence(online, expected))
    .map(({ name, nodeName, online }) => ({
      what: `${name}, on ${nodeName}, lists ${JSON.stringify(online)}, expected ${JSON.stringify(expected)}`,
      device: name,
    }))
}

function roomCountDifferences(deployment: Deployment, state: StoredState): Difference[] {
  return deployment.rooms.flatMap((id) => {
    const expected = state.rooms.get(id)?.members.size
    return deployment.devices.flatMap(({ name, nodeName, rooms }) => {
      const online = rooms.get(id)?.online
      if (!rooms.has(id) || online === expected) return []
      return [
        {
          what: `${name}, on ${nodeName}, counts ${online} in room ${id}, expected ${expected}`,
          device: name,
        },
      ]
    })
  })
}
