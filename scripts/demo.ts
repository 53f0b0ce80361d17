/* Three users chat. Prints what each of them reads and what the server stores. PARLEY_URL: the server to use. */

import { randomUUID } from 'node:crypto'
import {
  type Conversation,
  describeProblem,
  type Message,
  memoryStore,
  register,
  resume,
  signIn,
} from 'parley/client'
import { findServer } from './demo/server.ts'
import { contains, recordTraffic } from './demo/traffic.ts'

const { url, close } = await findServer(process.env.PARLEY_URL)
const { records, transport } = recordTraffic()
/** Passphrases, and the words of the messages. */
const secrets = new Set<string>()

console.log(`The server is at ${url}. Ann, Bob and Carol sign up and create keys, which passphrases lock`)
const ann = await signUp('Ann')
const bob = await signUp('Bob')
const carol = await signUp('Carol')

console.log('\nAnn writes to Bob, who is offline and has never opened the conversation')
await bob.account.close()
const hers = await ann.account.conversations.with(bob.email)
await write({ Ann: hers }, 'The lighthouse opens on Thursday: bring an umbrella.')

console.log('\nBob comes online and reads it. They compare their safety number on the phone')
const online = ann.account.presence.once('online', (users) => users.has(bob.account.user.id))
const bobs = (await resume(bob))!
await online
line('Ann', 'sees that Bob is online')
await bobs.keys.unlock(bob.passphrase)
const his = await bobs.open(hers.id)
for (const message of his.messages) read('Bob', message)
line('Ann', `sees    ${await ann.account.contacts.safetyNumber(bobs.user.id)}`)
line('Bob', `sees    ${await bobs.contacts.safetyNumber(ann.account.user.id)}`)
await bobs.contacts.verify(ann.account.user.id)

console.log('\nThey talk, edit and delete')
const typing = hers.once('typing')
his.startTyping()
line('Ann', `sees that ${(await typing)[0]?.name} is typing`)
await write({ Bob: his, Ann: hers }, 'Perfect! Sandwiches and binoculars are packed.')
const [invitation, answer] = hers.messages
await write({ Ann: hers, Bob: his }, 'The lighthouse opens on Saturday: leave the umbrella.', invitation)
const deletion = hers.once('delete')
await his.delete(answer!)
line('Ann', `sees that ${(await deletion).sender.name} has deleted a message`)
const receipt = hers.once('read')
await his.markRead()
line('Ann', `sees that ${(await receipt).member.name} has read everything`)

console.log('\nCarol starts the group "Weekend" (names of groups are not encrypted)')
const group = await carol.account.conversations.startGroup([ann.email, bob.email], { alias: 'Weekend' })
const members = { Carol: group, Ann: await ann.account.open(group.id), Bob: await bobs.open(group.id) }
await write(members, 'Shall we invite the penguins?')

console.log('\nAnn reads the history on another device, with password and passphrase')
const login = { ...ann, store: memoryStore() }
const device = await signIn(login)
await device.keys.unlock(ann.passphrase)
for await (const message of (await device.open(hers.id)).history()) read('Ann', message)

console.log('\nShe signs out there, and a second tab with the same session is told')
const tab = (await resume(login))!
const ended = tab.once('signedOut')
await device.signOut()
line('Tab', await ended)

for (const account of [ann.account, bobs, carol.account, device, tab]) await account.close()
await close()
const leaked = [...secrets].filter((secret) => records.some((record) => contains(record, secret)))
if (leaked.length > 0) throw new Error(`These were sent unencrypted: ${leaked.join(', ')}`)
console.log(`\nNone of the ${secrets.size} words and passphrases was sent unencrypted.`)

async function signUp(name: string) {
  const email = `${name}.${randomUUID()}@example.com`
  const login = { url, transport, store: memoryStore(), email, password: randomUUID() }
  const account = await register({ ...login, name })
  const passphrase = randomUUID()
  secrets.add(passphrase)
  await account.keys.create(passphrase)
  line(name, `is user ${account.user.id}, with the passphrase ${passphrase}`)
  return { ...login, passphrase, account }
}

/** Sends or edits a message as the first member, and waits until everybody has read it. */
async function write(members: Record<string, Conversation>, text: string, edited?: Message): Promise<void> {
  for (const [word] of text.matchAll(/\p{Letter}{6,}/gu)) secrets.add(word)
  const [[author, chat]] = Object.entries(members) as [[string, Conversation]]
  const seen = Object.values(members).map((member) => member.once(edited ? 'edit' : 'message'))
  line(author, `${edited ? 'edits ' : 'writes'}  ${text}`)
  await (edited ? chat.edit(edited, text) : chat.send(text))
  const push = edited ? '"edit_message",{"token"' : '"send_message",{"token"'
  const { shared } = JSON.parse(records.findLast((record) => record.includes(push))!)[4]
  line('Server', `stores  …${shared.slice(-40)} (${shared.length} characters)`)
  for (const [i, message] of (await Promise.all(seen)).entries()) read(Object.keys(members)[i]!, message)
}

function read(name: string, { type, body, verified, problems }: Message): void {
  line(name, `reads   ${body.text ?? type} (${verified})`)
  if (problems.length > 0) throw new Error(problems.map(describeProblem).join(' '))
}

function line(who: string, what: string): void {
  console.log(`  ${who.padEnd(8)}${what}`)
}
