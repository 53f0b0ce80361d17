/** Measures what sealing and opening messages costs. Run it on one core: `taskset -c 0 npx tsx scripts/bench-encryption.ts`. */
import {
  type Content,
  encodeBase64url,
  extendHistory,
  generateJwk,
  type HistoryEntry,
  importDecryptionKey,
  importSigner,
  openMessage,
  type PublicJwk,
  sealMessage,
  signEntry,
} from '../src/client/encryption/index.ts'

const MEMBERS = 200
const MESSAGES = 1000
const RUNS = 7
const id = (n: number) => `0190a5f0-0000-7000-8000-${n.toString(16).padStart(12, '0')}`

const [encryption, signing] = [await generateJwk(), await generateJwk()]
const privateKey = await importSigner(signing.private)
const entry: HistoryEntry = await signEntry({
  userId: id(0),
  encryptionKey: encryption.public,
  signer: { publicKey: signing.public, privateKey },
  issuedAt: new Date(),
  previous: null,
})
const history = await extendHistory(id(0), [], [entry])
const signer = { kid: history[0]!.kid, privateKey }
const content: Content = {
  conversation: id(1),
  sender: id(0),
  device: encodeBase64url(new Uint8Array(16)),
  counter: 1,
  previous: null,
  id: id(2),
  revision: 0,
  sent_at: new Date().toISOString(),
  heads: history[0]!.hash,
  type: 'text',
  body: { text: 'What a message of usual length says, in one or two sentences. '.repeat(2) },
}

const recipients = new Map<string, PublicJwk>()
for (let n = 0; n < MEMBERS; n++) recipients.set(id(n), (await generateJwk()).public)
const own = new Map([[id(0), encryption.public]])
const decryption = [await importDecryptionKey(encryption.private)]
const received = await Promise.all(
  Array.from({ length: MESSAGES }, async () => {
    const { shared, copies } = await sealMessage({ content, signer, recipients: own })
    const envelope = { conversation: id(1), sender: id(0) }
    return { copy: copies[id(0)]!, shared, keys: decryption, envelope, history }
  }),
)

await measure(`seal a message for ${MEMBERS} members`, () => sealMessage({ content, signer, recipients }))
await measure(`open ${MESSAGES} messages`, async () => {
  const opened = await Promise.all(received.map(openMessage))
  if (!opened.every(({ ok }) => ok)) throw new Error('A message was not opened.')
})
await measure('for comparison, verify 1000 signatures of P-256', verifySignatures)

/** The median of several runs, in milliseconds of elapsed time and of CPU time on all cores. */
async function measure(name: string, run: () => Promise<unknown>): Promise<void> {
  const runs: { elapsed: number; cpu: number }[] = []
  await run()
  while (runs.length < RUNS) {
    const [start, usage] = [performance.now(), process.cpuUsage()]
    await run()
    const { user, system } = process.cpuUsage(usage)
    runs.push({ elapsed: performance.now() - start, cpu: (user + system) / 1000 })
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[RUNS >> 1]!.toFixed(0)
  const [elapsed, cpu] = [median(runs.map((one) => one.elapsed)), median(runs.map((one) => one.cpu))]
  console.log(`${name}: ${elapsed} ms (${cpu} ms of CPU time)`)
}

async function verifySignatures(): Promise<void> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const pair = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const data = new Uint8Array(1000)
  const signature = await crypto.subtle.sign(algorithm, pair.privateKey, data)
  await Promise.all(
    Array.from({ length: 1000 }, () => crypto.subtle.verify(algorithm, pair.publicKey, signature, data)),
  )
}
