import type { Deployment } from './deployment.ts'
import type { Journal } from './journal.ts'
import { type OperationLog, readCopy, type SentMessage } from './operation-log.ts'
import type { StoredConversation, StoredState } from './stored-state.ts'

interface RunResult {
  deployment: Deployment
  state: StoredState
  operations: OperationLog
  journal: Journal
}

/** Compares the replies and events that clients received with the database. */
export function checkInvariants(result: RunResult): void {
  checkStoredConversations(result)
  checkSentMessages(result)
  checkRoomMessages(result)
  checkReceivedCopies(result)
  checkRoomOrder(result)
  checkAbsences(result)
}

/** There are no partial changes: each change has its own `seq`, and each message has copies unless it is deleted. */
function checkStoredConversations({ state, journal }: RunResult): void {
  for (const [id, { lastSeq, changeSeqs, groups, copies }] of state.conversations) {
    if (new Set(changeSeqs).size < changeSeqs.length) journal.violation(`conversation ${id} uses a seq twice`)
    if (Math.max(0, ...changeSeqs) > lastSeq)
      journal.violation(`conversation ${id} has a seq after last_seq ${lastSeq}`)
    const read = new Set([...copies.values()].flatMap((own) => [...own.keys()]))
    for (const [group, { isDeleted }] of groups) {
      if (!isDeleted && !read.has(group)) journal.violation(`message ${group} of ${id} has no copies`)
      if (isDeleted && read.has(group))
        journal.violation(`message ${group} of ${id} is deleted but has copies`)
    }
  }
}

/** Each acknowledged message is stored once with its latest text, unless its sender deleted it. */
function checkSentMessages({ state, operations, journal }: RunResult): void {
  const groups = groupsById(state)
  for (const sent of operations.sent) {
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
    const conversation = state.conversations.get(sent.conversation)
    const group = conversation?.groups.get(sent.acked.group)
    if (!group) fail('is not stored')
    else if (group.seq !== sent.acked.seq) fail(`is stored as ${group.seq} and not as ${sent.acked.seq}`)
    else if (group.isDeleted && !sent.deletion) fail('is deleted without a request')
    else if (!group.isDeleted && sent.deletion === 'acked')
      fail('is still stored, although its deletion was acked')
    else if (!group.isDeleted) checkStoredText(sent, conversation as StoredConversation, fail)
  }
}

function checkStoredText(
  sent: SentMessage,
  { copies }: StoredConversation,
  fail: (what: string) => void,
): void {
  const versions = new Set<number>()
  for (const own of copies.values()) {
    const copy = own.get(sent.acked?.group ?? '')
    if (copy) versions.add(readCopy(copy.content).version)
  }
  const [version = 0] = versions
  if (versions.size > 1) fail(`has copies of several versions: ${[...versions]}`)
  else if (version > sent.version || version < 0)
    fail(`has version ${version}, which is of a retry or was never sent`)
  else if (version < sent.ackedVersion && !sent.hasUnansweredEdit)
    fail(`has version ${version}, although ${sent.ackedVersion} was acked`)
}

/** The stored message groups by the id of the sent message. */
function groupsById(state: StoredState): Map<string, string[]> {
  const found = new Map<string, Set<string>>()
  for (const { copies } of state.conversations.values()) {
    for (const own of copies.values()) {
      for (const [group, { content }] of own) {
        const { id } = readCopy(content)
        found.set(id, (found.get(id) ?? new Set()).add(group))
      }
    }
  }
  return new Map([...found].map(([id, groups]) => [id, [...groups]]))
}

function checkRoomMessages({ state, operations, journal }: RunResult): void {
  for (const sent of operations.roomMessages) {
    const messages = [...(state.rooms.get(sent.room)?.messages.values() ?? [])]
    const times = messages.filter(({ text }) => text === sent.id).length
    if (times > 1 || (sent.acked && times === 0)) {
      journal.violation(`room message ${sent.id}, sent over ${sent.acked?.via}, is stored ${times} times`, {
        ...(sent.acked && { around: sent.acked.at }),
      })
    }
  }
}

/** Users receive only stored messages, and only their own copies. */
function checkReceivedCopies({ deployment, state, journal }: RunResult): void {
  for (const { name, userId, receivedCopies } of deployment.devices) {
    for (const { conversation, group, content, at } of receivedCopies) {
      const fail = (what: string) =>
        journal.violation(`${name} received message ${group} of ${conversation}, ${what}`, {
          device: name,
          around: at,
        })
      if (readCopy(content).to !== userId) fail(`which is the copy of ${readCopy(content).to}`)
      const stored = state.conversations.get(conversation)
      const message = stored?.groups.get(group)
      if (!message) fail('which is not stored')
      else if (!message.isDeleted && !message.wasEdited && !stored?.copies.get(userId)?.has(group))
        fail('which has no copy for its user')
    }
  }
}

/** The live messages of each connection arrive in order of `seq`. */
function checkRoomOrder({ deployment, state, journal }: RunResult): void {
  for (const { name, allRoomViews } of deployment.devices) {
    for (const { id, liveMessages } of allRoomViews) {
      const messages = state.rooms.get(id)?.messages
      for (const received of liveMessages) {
        const seqs = received.map(({ id: message }) => messages?.get(message)?.seq ?? 0)
        const at = seqs.findIndex((seq, index) => seq <= (seqs[index - 1] ?? 0))
        if (at >= 0)
          journal.violation(`${name} received seq ${seqs[at]} after ${seqs[at - 1]} in room ${id}`, {
            device: name,
          })
      }
    }
  }
}

/** Users do not receive room messages that were sent between their removal and the request to add them again. */
function checkAbsences({ deployment, operations, journal }: RunResult): void {
  const sentMessages = new Map(operations.roomMessages.map((one) => [one.id, one]))
  for (const { name, userId, allRoomViews } of deployment.devices) {
    for (const { room, from, until } of operations.absences.filter((absence) => absence.userId === userId)) {
      for (const { liveMessages, texts } of allRoomViews.filter(({ id }) => id === room)) {
        for (const { id, at } of liveMessages.flat()) {
          const { sentAt = 0 } = sentMessages.get(texts.get(id) ?? '') ?? {}
          if (sentAt < from || at > until) continue
          journal.violation(
            `${name} received message ${id} of room ${room} while its user was not a member`,
            {
              device: name,
              around: at,
            },
          )
        }
      }
    }
  }
}
