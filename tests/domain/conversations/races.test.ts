import { type TOTP, URI } from 'otpauth'
import { describe, expect, it } from 'vitest'
import { addUser, openSessions, openSigner, openTotp, PHONE } from '../../support/account-services.ts'
import { type Chat, keysNamed, openChat, resultOf } from '../../support/chat-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { openRooms } from '../../support/rooms.ts'
import { type SharedDatabase, setUpSharedDatabase } from '../../support/shared-database.ts'
import { rounds } from '../../support/stress.ts'

const server = process.env.DATABASE_URL ?? ''
const ROUNDS = rounds(20, 500)
const MINUTE = 60_000

/** What only a server with several connections can show: the embedded database runs one statement at a time. */
describe.runIf(server)(`two nodes, ${ROUNDS} times over`, { timeout: 300_000 }, () => {
  let dbs: SharedDatabase['dbs']

  setUpSharedDatabase(server, (shared) => {
    ;({ dbs } = shared)
  })

  it('make one private conversation of two people who both start it', async () => {
    const nodes = [await openChat(dbs[0]), await openChat(dbs[1])] as [Chat, Chat]
    const people: string[] = []
    for (let n = 0; people.length < 33; n++) people.push(await addUser(dbs[0], `p${n}@example.com`))
    const pairs = people.flatMap((one, n) => people.slice(n + 1).map((other) => [one, other] as const))
    const start = (node: Chat, by: string, otherUserId: string) =>
      resultOf(node.conversations.startPrivate(by, { otherUserId, ...keysNamed('x') }))
    for (const [one, other] of pairs.slice(0, ROUNDS)) {
      const both = await Promise.all([start(nodes[0], one, other), start(nodes[1], other, one)])
      expect(both.toSorted()).toEqual(['conversation_already_exists', 'ok'])
    }
    const found = await dbs[0].rows<{ count: number }>('select count(*)::int from conversations', [])
    expect(found).toEqual([{ count: ROUNDS }])
  })

  it('give twenty tabs with one refresh token the same successor', async () => {
    const clock = new ManualClock()
    const signer = await openSigner()
    const nodes = dbs.map((db) => openSessions(db, signer, { clock }).sessions)
    const session = await nodes[0]!.open(await addUser(dbs[0], 'ann@example.com'), PHONE)
    let { refreshToken } = session
    for (let round = 0; round < ROUNDS; round++) {
      const tabs = Array.from({ length: 20 }, (_, n) => nodes[n % 2]!.refresh(refreshToken, PHONE))
      const successors = new Set((await Promise.all(tabs)).map((tab) => tab.refreshToken))
      expect(successors.size).toBe(1)
      refreshToken = [...successors][0]!
      clock.advance(MINUTE)
    }
  })

  it('take a recovery code once that is given twice', async () => {
    const clock = new ManualClock()
    const signer = await openSigner()
    const [one, other] = dbs.map((db) => {
      const { sessions } = openSessions(db, signer, { clock })
      return openTotp({ db, clock, sessions })
    }) as [ReturnType<typeof openTotp>, ReturnType<typeof openTotp>]
    for (let person = 0; person < ROUNDS / 10; person++) {
      const email = `p${person}@example.com`
      const ann = { id: await addUser(dbs[0], email), email }
      const enrolment = { browserSecret: email }
      const origin = { network: '192.0.2.1' }
      await one.enrolment.create(ann.id, enrolment)
      const app = URI.parse(await one.enrolment.uri(ann, enrolment)) as TOTP
      const first = { code: app.generate({ timestamp: clock.now() }), origin }
      const codes = await one.enrolment.confirm(ann, first, enrolment)
      expect(codes).toHaveLength(10)
      for (const code of codes) {
        clock.advance(MINUTE)
        const both = [one, other].map(({ totp }) =>
          resultOf(totp.verify({ email, user: ann }, { code, origin }, 'unneeded')),
        )
        expect((await Promise.all(both)).toSorted()).toEqual(['ok', 'otp_invalid'])
      }
    }
  })

  it('give a name to one of two rooms', async () => {
    const ann = await addUser(dbs[0], 'ann@example.com')
    const nodes = dbs.map((db) => openRooms(db).rooms)
    for (let round = 0; round < ROUNDS; round++) {
      const both = nodes.map((rooms) => resultOf(rooms.create(ann, { name: `Room ${round}`, userIds: [] })))
      expect((await Promise.all(both)).toSorted()).toEqual(['ok', 'room_exists'])
    }
  })
})
