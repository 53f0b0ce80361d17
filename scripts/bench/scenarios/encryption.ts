import { signEntry } from '../../../src/account-keys/sign-entry.ts'
import {
  type Content,
  encodeBase64url,
  extendHistory,
  generateJwk,
  importDecryptionKey,
  importSigner,
  type OpenInput,
  openMessage,
  type PublicJwk,
  type SealInput,
  sealMessage,
} from '../../../src/client/encryption/index.ts'
import { Latencies } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'

const MEMBERS = 200
const MESSAGES = 1_000
const VERIFICATIONS = 1_000

/** A sender with what a message of theirs is made of, and messages that they received. */
interface Fixture {
  sent: SealInput
  received: OpenInput[]
}

/**
 * Measures what clients compute: sealing a message for a group, and opening messages. The reference is the verification of as many
 * signatures of P-256. The threads of WebCrypto use all cores: for figures of one core, run it with `taskset -c 0`.
 */
export async function measureEncryption({ quick }: BenchOptions, report: Report): Promise<void> {
  const { sent, received } = await makeFixture()
  const runs = quick ? 3 : 7
  const reference = await timesOf(runs, await signatureVerifications())
  const add = async (size: string, subject: string, work: () => Promise<unknown>) => {
    const times = await timesOf(runs, work)
    const figures = { ...times, 'of the reference': times['CPU ms'] / reference['CPU ms'] }
    report({ scenario: 'encryption', size, subject, figures })
  }
  report({
    scenario: 'encryption',
    size: `verify ${VERIFICATIONS} signatures`,
    subject: 'WebCrypto',
    figures: { ...reference, 'of the reference': 1 },
  })
  await add(`seal for ${MEMBERS} members`, 'parley/client', () => sealMessage(sent))
  await add(`open ${MESSAGES} messages`, 'parley/client', async () => {
    const opened = await Promise.all(received.map(openMessage))
    if (!opened.every(({ ok }) => ok)) throw new Error('A message was not opened.')
  })
}

async function makeFixture(): Promise<Fixture> {
  const [encryption, signing] = [await generateJwk(), await generateJwk()]
  const privateKey = await importSigner(signing.private)
  const [conversation, sender] = [crypto.randomUUID(), crypto.randomUUID()]
  const entry = await signEntry({
    userId: sender,
    encryptionKey: encryption.public,
    signer: { publicKey: signing.public, privateKey },
    issuedAt: new Date(),
    previous: null,
  })
  const history = await extendHistory(sender, [], [entry])
  const { kid, hash } = history[0]! // the entry
  const content: Content = {
    conversation,
    sender,
    device: encodeBase64url(new Uint8Array(16)),
    counter: 1,
    previous: null,
    id: crypto.randomUUID(),
    revision: 0,
    sent_at: new Date().toISOString(),
    heads: hash,
    type: 'text',
    body: { text: 'What a message of usual length says, in one or two sentences. '.repeat(2) },
  }
  const recipients = new Map<string, PublicJwk>()
  while (recipients.size < MEMBERS) recipients.set(crypto.randomUUID(), (await generateJwk()).public)
  const sent = { content, signer: { kid, privateKey }, recipients }
  const toSelf = { ...sent, recipients: new Map([[sender, encryption.public]]) }
  const keys = [await importDecryptionKey(encryption.private)]
  const seals = Array.from({ length: MESSAGES }, async () => {
    const { shared, copies } = await sealMessage(toSelf)
    return { copy: copies[sender]!, shared, keys, envelope: { conversation, sender }, history }
  })
  return { sent, received: await Promise.all(seals) }
}

async function signatureVerifications(): Promise<() => Promise<unknown>> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const data = new Uint8Array(1_000)
  const signature = await crypto.subtle.sign(algorithm, privateKey, data)
  const verify = () => crypto.subtle.verify(algorithm, publicKey, signature, data)
  return () => Promise.all(Array.from({ length: VERIFICATIONS }, verify))
}

/** The medians of several runs after a first one: elapsed time, and CPU time on all cores. */
async function timesOf(
  runs: number,
  work: () => Promise<unknown>,
): Promise<{ ms: number; 'CPU ms': number }> {
  const [elapsed, cpu] = [new Latencies(), new Latencies()]
  await work()
  for (let run = 0; run < runs; run++) {
    const [start, usage] = [performance.now(), process.cpuUsage()]
    await work()
    const { user, system } = process.cpuUsage(usage)
    elapsed.add(performance.now() - start)
    cpu.add((user + system) / 1_000)
  }
  return { ms: elapsed.percentile(0.5), 'CPU ms': cpu.percentile(0.5) }
}
