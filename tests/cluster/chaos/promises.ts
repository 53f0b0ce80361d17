import type { Journal } from './journal.ts'
import { type Ledger, readCopy, type Sent } from './ledger.ts'
import type { Site } from './site.ts'
import type { StoredConversation, Truth } from './truth.ts'

interface Record {
  site: Site
  truth: Truth
  ledger: Ledger
  journal: Journal
}

/** Holds what was promised to people against what is stored. */
export function checkPromises(record: Record): void {
  checkStored(record)
  checkSent(record)
  checkSaid(record)
  checkReceived(record)
  checkRoomOrder(record)
  checkAbsences(record)
}

/** Nothing was done by halves: every change has a place of its own, and every message somebody to read it. */
function checkStored({ truth, journal }: Record): void {
  for (const [id, { lastSeq, places, groups, copies }] of truth.conversations) {
    if (new Set(places).size < places.length) journal.violation(`conversation ${id} has places twice`)
    if (Math.max(0, ...places) > lastSeq) journal.violation(`conversation ${id} has places after ${lastSeq}`)
    const read = new Set([...copies.values()].flatMap((own) => [...own.keys()]))
    for (const [group, { isDeleted }] of groups) {
      if (!isDeleted && !read.has(group)) journal.violation(`message ${group} of ${id} has no copies`)
      if (isDeleted && read.has(group)) journal.violation(`message ${group} of ${id} was deleted by half`)
    }
  }
}

/** What was answered is there, once, with its latest text, unless it was deleted. */
function checkSent({ truth, ledger, journal }: Record): void {
  const groups = groupsById(truth)
  for (const sent of ledger.sent) {
    const stored = groups.get(sent.id) ?? []
    const fail = (what: string) =>
      journal.violation(
        `message ${sent.id}, acked as ${sent.acked?.group} over ${sent.acked?.via}, ${what}`,
        {
          ...(sent.acked && { around: sent.acked.at }),
        },
      )
    if (stored.length > 1) fail(`is stored ${stored.length} times: ${stored.join(', ')}`)
    if (!sent.acked) continue
    const conversation = truth.conversations.get(sent.conversation)
    const group = conversation?.groups.get(sent.acked.group)
    if (!group) fail('is not stored')
    else if (group.seq !== sent.acked.seq) fail(`is stored as ${group.seq} and not as ${sent.acked.seq}`)
    else if (group.isDeleted && !sent.deletion) fail('was deleted, and nobody asked for that')
    else if (!group.isDeleted && sent.deletion === 'acked')
      fail('is still there, though its deletion was acked')
    else if (!group.isDeleted) checkText(sent, conversation as StoredConversation, fail)
  }
}

function checkText(sent: Sent, { copies }: StoredConversation, fail: (what: string) => void): void {
  const versions = new Set<number>()
  for (const own of copies.values()) {
    const copy = own.get(sent.acked?.group ?? '')
    if (copy) versions.add(readCopy(copy.content).version)
  }
  const [version = 0] = versions
  if (versions.size > 1) fail(`has copies of several versions: ${[...versions]}`)
  else if (version > sent.version || version < 0) fail(`has version ${version}, of a retry or of none`)
  else if (version < sent.ackedVersion && !sent.isDoubtful)
    fail(`has version ${version}, though ${sent.ackedVersion} was acked`)
}

/** The stored groups of each message that people sent. */
function groupsById(truth: Truth): Map<string, string[]> {
  const found = new Map<string, Set<string>>()
  for (const { copies } of truth.conversations.values()) {
    for (const own of copies.values()) {
      for (const [group, { content }] of own) {
        const { id } = readCopy(content)
        found.set(id, (found.get(id) ?? new Set()).add(group))
      }
    }
  }
  return new Map([...found].map(([id, groups]) => [id, [...groups]]))
}

function checkSaid({ truth, ledger, journal }: Record): void {
  for (const said of ledger.said) {
    const messages = [...(truth.rooms.get(said.room)?.messages.values() ?? [])]
    const times = messages.filter(({ text }) => text === said.id).length
    if (times > 1 || (said.acked && times === 0)) {
      journal.violation(`what was said as ${said.id} over ${said.acked?.via} is stored ${times} times`, {
        ...(said.acked && { around: said.acked.at }),
      })
    }
  }
}

/** Nobody was given what they had no right to, or what was never stored. */
function checkReceived({ site, truth, journal }: Record): void {
  for (const { name, userId, received } of site.devices) {
    for (const { conversation, group, content, at } of received) {
      const fail = (what: string) =>
        journal.violation(`${name} was given message ${group} of ${conversation}, ${what}`, {
          device: name,
          around: at,
        })
      if (readCopy(content).to !== userId) fail(`the copy of ${readCopy(content).to}`)
      const stored = truth.conversations.get(conversation)
      const message = stored?.groups.get(group)
      if (!message) fail('which is not stored')
      else if (!message.isDeleted && !message.wasEdited && !stored?.copies.get(userId)?.has(group))
        fail('which was not for them')
    }
  }
}

/** What came live over one connection came in the room's order. */
function checkRoomOrder({ site, truth, journal }: Record): void {
  for (const { name, roomsEver } of site.devices) {
    for (const { id, heard } of roomsEver) {
      const messages = truth.rooms.get(id)?.messages
      for (const told of heard) {
        const places = told.map(({ id: message }) => messages?.get(message)?.seq ?? 0)
        const at = places.findIndex((place, index) => place <= (places[index - 1] ?? 0))
        if (at >= 0)
          journal.violation(`${name} heard ${places[at]} after ${places[at - 1]} in room ${id}`, {
            device: name,
          })
      }
    }
  }
}

/** Nobody heard what was said in a room after they left it, before they could be back: then they may read all of it. */
function checkAbsences({ site, ledger, journal }: Record): void {
  const said = new Map(ledger.said.map((one) => [one.id, one]))
  for (const { name, userId, roomsEver } of site.devices) {
    for (const { room, from, until } of ledger.absences.filter((absence) => absence.userId === userId)) {
      for (const { heard, texts } of roomsEver.filter(({ id }) => id === room)) {
        for (const { id, at } of heard.flat()) {
          const { askedAt = 0 } = said.get(texts.get(id) ?? '') ?? {}
          if (askedAt < from || at > until) continue
          journal.violation(`${name} heard message ${id} in room ${room}, which it was out of`, {
            device: name,
            around: at,
          })
        }
      }
    }
  }
}
