import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import type { Conversation } from '../../src/client/conversations/conversation.ts'
import { startApp } from '../support/app.ts'
import { temporaryFolder } from '../support/folder.ts'
import { registerKeyed } from './support/clients.ts'

it('has a bot that answers, also what was written while it did not run', async () => {
  const app = await startApp()
  const ann = await registerKeyed(app, 'ann')
  const environment = { PARLEY_URL: app.url, BOT_FOLDER: temporaryFolder() }
  const bot = await startBot(environment)
  const chat = await ann.conversations.with('bot@example.com')
  // The bot answers again what it had not yet marked as read when it was killed.
  const read = chat.once('read', ({ member }) => member.email === 'bot@example.com')
  expect(await answerTo(chat, 'Hello there')).toMatchObject({ body: { text: 'That is 2 words.' } })
  await read

  bot.kill('SIGKILL')
  await once(bot, 'exit')
  const answered = chat.once('message', ({ mine }) => !mine)
  await chat.send('Are you still there?')
  const second = await startBot(environment)
  expect(await answered).toMatchObject({
    body: { text: 'That is 4 words.' },
    verified: 'signed',
    problems: [],
  })

  second.kill('SIGTERM')
  expect(await once(second, 'exit')).toEqual([0, null])
})

async function answerTo(chat: Conversation, text: string) {
  const answered = chat.once('message', ({ mine }) => !mine)
  await chat.send(text)
  return answered
}

/** Starts the bot. Resolves when it is ready. It is killed when the test has finished. */
async function startBot(environment: Record<string, string>): Promise<ChildProcess> {
  const bot = spawn(process.execPath, ['--import', 'tsx', 'scripts/examples/chat-bot.ts'], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void bot.kill('SIGKILL'))
  const ended = once(bot, 'exit').then(([code]) => Promise.reject(new Error(`The bot ended with ${code}.`)))
  ended.catch(() => {})
  await Promise.race([once(bot.stdout, 'data'), ended])
  return bot
}
