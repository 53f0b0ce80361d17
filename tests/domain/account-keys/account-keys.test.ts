import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { Database } from '../../../src/db/database.ts'
import { AccountData } from '../../../src/domain/account-keys/account-data.ts'
import { AccountKeys } from '../../../src/domain/account-keys/account-keys.ts'
import type { DomainEvents } from '../../../src/domain/shared/events.ts'
import { makeKeySet, type TestKeySet } from '../../support/account-keys.ts'
import { addPeople, resultOf } from '../../support/chat-services.ts'
import { openEventBus } from '../../support/event-bus.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'
import { type SharedDatabase, setUpSharedDatabase } from '../../support/shared-database.ts'
import { rounds } from '../../support/stress.ts'
import { injectFaults, type TransactionFault } from '../../support/transaction-faults.ts'

const db = setUpEmptyDatabase()
const server = process.env.DATABASE_URL ?? ''
const FIRST = { matchesNone: 'any' } as const

function openKeys(database: Database) {
  const events = openEventBus()
  const emitted: DomainEvents['account_keys_changed'][] = []
  events.on('account_keys_changed', (event) => void emitted.push(event))
  const recorded: string[] = []
  const keys = new AccountKeys({
    db: database,
    clock: systemClock,
    events,
    sessions: { requireRecentSignIn: async () => {} },
    mail: { wake: () => {} },
    securityLog: { record: (kind) => void recorded.push(kind) },
    directory: 'everyone',
  })
  return { keys, emitted, recorded }
}

function bodyOf({ body }: TestKeySet) {
  const { encryption_key: encryptionKey, signing_key: signingKey, locked, entry } = body
  return { encryptionKey, signingKey, locked, entry }
}

describe('a key set whose transaction fails', () => {
  it.each<[TransactionFault[]]>([
    [['commit_reply']],
    [['before_commit', 'begin', 'commit_reply', 'commit_reply']],
    [['lock_timeout']],
    [['unreachable']],
  ])('after %j is stored, announced and recorded once', async (faults) => {
    const failing = { ...db }
    const injected = injectFaults(failing)
    const [ann] = await addPeople(db, 'ann')
    const { keys, emitted, recorded } = openKeys(failing)
    const set = await makeKeySet(ann)
    injected.faults.push(...faults)
    expect(await resultOf(keys.put({ userId: ann, sessionId: 'x' }, bodyOf(set), FIRST))).toBe('ok')
    const { version, thumbprint } = set.read
    expect(emitted).toEqual([{ userId: ann, version, thumbprint, contactIds: [] }])
    expect(recorded).toEqual(['keys_created'])
    expect(await keys.history(ann, ann, 0)).toEqual([set.body.entry])
    expect(await keys.find(ann)).toMatchObject({ version: 1, locked: set.body.locked })
  })

  it('leaves nothing behind if it never succeeds, and stays possible', async () => {
    const failing = { ...db }
    const [ann] = await addPeople(db, 'ann')
    const { keys, emitted, recorded } = openKeys(failing)
    const set = await makeKeySet(ann)
    const put = () => resultOf(keys.put({ userId: ann, sessionId: 'x' }, bodyOf(set), FIRST))
    failing.transaction = () => Promise.reject(Object.assign(new Error('full'), { code: '53100' }))
    expect(await put()).toBe('busy')
    expect([emitted, recorded, await resultOf(keys.find(ann))]).toEqual([[], [], 'no_keys'])
    failing.transaction = db.transaction
    expect(await put()).toBe('ok')
  })
})

/** What only a server with several connections can show: the embedded database runs one statement at a time. */
describe.runIf(server)('on two nodes', { timeout: 300_000 }, () => {
  const ROUNDS = rounds(10, 200)
  let dbs: SharedDatabase['dbs']

  setUpSharedDatabase(server, (shared) => {
    ;({ dbs } = shared)
  })

  it(`one of four devices stores the next key set, ${ROUNDS} times over`, async () => {
    const [ann] = await addPeople(dbs[0], 'ann')
    const nodes = dbs.map((node) => openKeys(node).keys)
    let after: TestKeySet | undefined
    for (let round = 0; round < ROUNDS; round++) {
      const sets = await Promise.all([0, 1, 2, 3].map(() => makeKeySet(ann, after && { after })))
      const condition = after ? { matches: [after.read.version] } : FIRST
      const results = await Promise.all(
        sets.map((set, n) =>
          resultOf(nodes[n % 2]!.put({ userId: ann, sessionId: 'x' }, bodyOf(set), condition)),
        ),
      )
      expect(results.toSorted()).toEqual(['ok', ...Array(3).fill('precondition_failed')])
      after = sets[results.indexOf('ok')]!
      expect(await nodes[0]!.find(ann)).toMatchObject({ version: round + 1, locked: after.body.locked })
      expect(await nodes[1]!.history(ann, ann, round)).toEqual([after.body.entry])
    }
  })

  it('data has at most 16 names, and one of several writers wins', async () => {
    const [ann] = await addPeople(dbs[0], 'ann')
    const nodes = dbs.map((node) => new AccountData(node))
    for (let round = 0; round < ROUNDS; round++) {
      const names = Array.from({ length: 20 }, (_, n) => `n${n}`)
      const added = await Promise.all(
        names.map((name, n) => resultOf(nodes[n % 2]!.put(ann, { name, data: 'x' }, FIRST))),
      )
      expect(added.toSorted()).toEqual([...Array(16).fill('ok'), ...Array(4).fill('too_many_names')])
      const [first] = await nodes[0]!.list(ann)
      const { name, version } = first!
      const writes = await Promise.all(
        [0, 1, 2, 3].map((n) =>
          resultOf(nodes[n % 2]!.put(ann, { name, data: `${n}` }, { matches: [version] })),
        ),
      )
      expect(writes.toSorted()).toEqual(['ok', ...Array(3).fill('precondition_failed')])
      for (const one of await nodes[0]!.list(ann)) await nodes[1]!.delete(ann, one.name, { matches: 'any' })
    }
  })
})
