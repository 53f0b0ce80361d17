import type { ConversationView } from './conversation-view.ts'
import type { Device } from './device.ts'
import type { RoomView } from './room-view.ts'
import type { Site } from './site.ts'
import type { StoredConversation, StoredRoom, Truth } from './truth.ts'

/** Where a device is wrong about something. */
export interface Difference {
  what: string
  device: string
  /** The message it is about. */
  message?: string
}

/** In what the devices know something else than what is so. */
export function differences(site: Site, truth: Truth): Difference[] {
  return [
    ...site.devices.flatMap((device) => [
      ...site.conversations.flatMap((id) => inConversation(device, id, truth)),
      ...site.rooms.flatMap((id) => inRoom(device, id, truth)),
    ]),
    ...inPresence(site, truth),
    ...inCounts(site, truth),
  ]
}

/** Who is online, and with how many connections, by all that is known here. */
export function expectedPresence(site: Site, truth: Truth): Record<string, number> {
  const visible = site.people.filter(({ id }) => !truth.hidden.has(id))
  return Object.fromEntries(visible.map(({ id, devices }) => [id, devices.length]))
}

/** Whether two lists of who is online are the same. */
export function isSamePresence(a: Record<string, number>, b: Record<string, number>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

function inConversation(device: Device, id: string, truth: Truth): Difference[] {
  const stored = truth.conversations.get(id)
  const about = (what: string, message?: string) => ({
    what: `${device.name} ${what} (conversation ${id})`,
    device: device.name,
    ...(message && { message }),
  })
  const isMember = stored?.members.has(device.userId)
  const isIn = device.isIn(`conversation:${id}`)
  if (!isMember) return isIn ? [about('is still in a conversation it has left')] : []
  const view = device.conversations.get(id)
  if (!isIn || !view) return [about('is not in a conversation of its user')]
  const found = inMessages(device, view, stored as StoredConversation)
  const wrong = found.map(([what, message]) => about(what, message))
  const members = [...(stored as StoredConversation).members.keys()]
  const isSame = members.length === view.members.size && members.every((member) => view.members.has(member))
  return isSame ? wrong : [...wrong, about(`counts ${view.members.size} members, and not ${members.length}`)]
}

function inMessages(device: Device, view: ConversationView, stored: StoredConversation): [string, string][] {
  // What was before they came (back) is for the history to tell, not for the order.
  const from = Math.max(view.floor, (stored.members.get(device.userId) ?? 0) + 1)
  const found: [string, string][] = []
  const copies = stored.copies.get(device.userId) ?? new Map<string, { seq: number; content: string }>()
  for (const [group, { seq, content }] of copies) {
    if (seq < from) continue
    const known = view.messages.get(group)
    if (!known) found.push([`misses message ${group}, seq ${seq} of ${view.applied} applied`, group])
    else if (known.content !== content) found.push([`has an old text of message ${group}, seq ${seq}`, group])
  }
  for (const [group, { seq }] of view.messages) {
    if (seq >= from && !copies.has(group))
      found.push([`has message ${group}, seq ${seq}, which is gone`, group])
  }
  return found
}

function inRoom(device: Device, id: string, truth: Truth): Difference[] {
  const stored = truth.rooms.get(id)
  const about = (what: string, message?: string) => ({
    what: `${device.name} ${what} (room ${id})`,
    device: device.name,
    ...(message && { message }),
  })
  const isIn = device.isIn(`room:${id}`)
  if (!stored?.members.has(device.userId)) return isIn ? [about('is still in a room it has left')] : []
  const view = device.rooms.get(id)
  if (!isIn || !view) return [about('is not in a room of its user')]
  return inTexts(view, stored).map(([what, message]) => about(what, message))
}

function inTexts(view: RoomView, { messages }: StoredRoom): [string, string][] {
  const missing = [...messages].filter(([id]) => !view.texts.has(id))
  const unknown = [...view.texts.keys()].filter((id) => !messages.has(id))
  return [
    ...missing.map(([id, { seq }]): [string, string] => [`misses message ${id}, seq ${seq}`, id]),
    ...unknown.map((id): [string, string] => [`has message ${id}, which is not there`, id]),
  ]
}

function inPresence(site: Site, truth: Truth): Difference[] {
  const expected = expectedPresence(site, truth)
  return site.devices
    .filter(({ online }) => !isSamePresence(online, expected))
    .map(({ name, where, online }) => ({
      what: `${name}, on ${where}, sees online ${JSON.stringify(online)}, and not ${JSON.stringify(expected)}`,
      device: name,
    }))
}

function inCounts(site: Site, truth: Truth): Difference[] {
  return site.rooms.flatMap((id) => {
    const expected = truth.rooms.get(id)?.members.size
    return site.devices.flatMap(({ name, where, rooms }) => {
      const online = rooms.get(id)?.online
      if (!rooms.has(id) || online === expected) return []
      return [
        { what: `${name}, on ${where}, counts ${online} in room ${id}, and not ${expected}`, device: name },
      ]
    })
  })
}
