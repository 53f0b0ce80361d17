/* A bot that counts words: it answers every text, also those that were written while it did not run. */

import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Conversation, fileStore, type Message, register, replyTo, resume, signIn } from 'parley/client'

const {
  PARLEY_URL: url = 'http://localhost:4000',
  BOT_EMAIL: email = 'bot@example.com',
  BOT_PASSWORD: password = 'four brave otters sing',
  BOT_PASSPHRASE: passphrase = 'a secret of the bot',
  BOT_FOLDER: folder = join(homedir(), '.parley-bot'),
} = process.env

// The folder must be kept: it has the session, what is not sent yet, and what is known about the keys of others.
const store = await fileStore(folder)
const account = { url, store, email, password }
const me =
  (await resume(account)) ?? (await register({ ...account, name: 'Bot' }).catch(() => signIn(account)))
if (await me.keys.exist()) await me.keys.unlock(passphrase)
else await me.keys.create(passphrase)

const served = new Set<string>()
me.conversations.on('added', ({ id }) => serve(id).catch(console.error))
// It may have been added to conversations while it was not connected.
me.on('connection', (state) => state === 'open' && serveAll().catch(console.error))
me.onSignedOut((reason) => {
  console.error(`The session is over: ${reason}`)
  process.exitCode = 1
})
process.once('SIGINT', () => me.close())
process.once('SIGTERM', () => me.close())
await serveAll()
console.log(`${me.user.email} answers`)

async function serveAll(): Promise<void> {
  for await (const { id } of me.conversations.list()) await serve(id)
}

async function serve(id: string): Promise<void> {
  if (served.has(id)) return
  served.add(id)
  const chat = await me.open(id)
  chat.on('message', (message) => answer(chat, message).catch(console.error))
  const readSeq = chat.readSeq(me.user.id)
  for (const message of chat.messages) if (message.seq > readSeq) await answer(chat, message)
}

/** Answers with a reply: two bots that answer texts only do not answer each other. */
async function answer(chat: Conversation, message: Message): Promise<void> {
  const { mine, type, verified, body } = message
  if (mine || type !== 'text' || verified === 'invalid') return
  const words = body.text?.match(/\S+/g)?.length ?? 0
  await chat.send(replyTo(message, `That is ${words} words.`))
  await chat.markRead(message)
}
