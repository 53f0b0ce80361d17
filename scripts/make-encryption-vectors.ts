/** Writes new test vectors of the message format to stdout. Those in `tests/vectors/encryption.json` were made once, and stay. */
import { base64url, CompactSign } from 'jose'
import {
  type Bytes,
  type Content,
  createConversationKeys,
  createKeys,
  digestOfHashes,
  encodeBase64url,
  encodeText,
  encryptFile,
  encryptOriginal,
  extendHistory,
  FileCipher,
  formatRecoveryKey,
  formatSafetyNumber,
  generateFileKey,
  type HistoryEntry,
  hashHeads,
  importEncryptionKey,
  importOriginalKey,
  importOwnKeys,
  type KeyChange,
  type MessageBody,
  pad,
  parseRecoveryKey,
  qrText,
  resetKeys,
  rotateKeys,
  safetyNumber,
  sealAccountData,
  sealMessage,
  sha256,
} from '../src/client/encryption/index.ts'
import { decryptJwe, encryptJwe } from '../src/client/encryption/jwe.ts'

const CONVERSATION = '0190a5f0-0000-7000-8000-0000000000c0'
const DEVICE = 'AAECAwQFBgcICQoLDA0ODw'
const now = new Date('2026-01-02T03:04:05.678Z')
const recoveryBytes = Uint8Array.from({ length: 16 }, (_, index) => index * 17)
const recoveryKey = await formatRecoveryKey(recoveryBytes)

const ann = await makeAccount(1, 'Ｓeven quiet herons', ['rotate'])
const bob = await makeAccount(2, recoveryKey, [])
const carol = await makeAccount(3, 'eight loud herons', ['reset'])
const accounts = [ann, bob, carol]

const memberHeads = new Map([...accounts.map(({ id, last }) => [id, last.hash] as const), [idOf(4), null]])
const heads = await hashHeads(memberHeads)
const files = await Promise.all([0, 5, 65_536, 70_000].map(makeFile))
const messages = await makeMessages()
const [annPrint, bobPrint] = [ann.last.thumbprint, bob.last.thumbprint]
const conversationKeys = await createConversationKeys(CONVERSATION, ann.last.encryption_key)
const originalKey = await importOriginalKey(conversationKeys.public_key)
const number = await safetyNumber(annPrint, bobPrint)

const vectors = {
  format: 'parley.1',
  conversation: CONVERSATION,
  accounts: Object.fromEntries(accounts.map(({ name, vector }) => [name, vector])),
  recovery_key: {
    bytes: encodeBase64url(recoveryBytes),
    shown: recoveryKey,
    secret: await parseRecoveryKey(recoveryKey),
  },
  heads: { members: Object.fromEntries(memberHeads), hash: heads },
  safety_number: {
    thumbprints: [annPrint, bobPrint],
    digits: number,
    shown: formatSafetyNumber(number),
    qr: qrText(annPrint, bobPrint),
  },
  messages,
  invalid_messages: await makeInvalidMessages(messages[0]!),
  files,
  account_data: {
    owner: 'ann',
    name: 'pins',
    revision: 1,
    data: { [bob.id]: bobPrint },
    sealed: await sealAccountData(
      { userId: ann.id, name: 'pins', revision: 1, data: { [bob.id]: bobPrint } },
      ann.own.signer,
      ann.last.encryption_key,
    ),
  },
  conversation_keys: {
    owner: 'ann',
    ...conversationKeys,
    copies: [{ text: 'Hello, Ann! äöü', copy: await encryptOriginal(originalKey, 'Hello, Ann! äöü') }],
  },
}
process.stdout.write(`${JSON.stringify(vectors, undefined, 2)}\n`)

function idOf(n: number): string {
  return `0190a5f0-0000-7000-8000-${String(n).padStart(12, '0')}`
}

async function makeAccount(n: number, secret: string, changes: ('rotate' | 'reset')[]) {
  const id = idOf(n)
  const input = { userId: id, secret, now }
  let change: KeyChange = await createKeys(input)
  const entries: HistoryEntry[] = [change.upload.entry]
  let history = await extendHistory(id, [], entries)
  for (const kind of changes) {
    const last = history.at(-1)!
    change = kind === 'rotate' ? await rotateKeys(input, change.keys, last) : await resetKeys(input, last)
    entries.push(change.upload.entry)
    history = await extendHistory(id, history, [change.upload.entry])
  }
  const last = history.at(-1)!
  const vector = {
    user_id: id,
    secret,
    locked: change.upload.locked,
    keys: change.keys,
    kid: last.kid,
    thumbprint: last.thumbprint,
    history: entries,
    hashes: history.map(({ hash }) => hash),
  }
  return {
    name: ['ann', 'bob', 'carol'][n - 1]!,
    id,
    last,
    own: await importOwnKeys(change.keys),
    keys: change.keys,
    vector,
  }
}

async function makeMessages() {
  const file = {
    id: idOf(900),
    name: 'plan.pdf',
    type: 'application/pdf',
    ...generateFileKey(70_000),
    digest: heads,
  }
  const bodies: [name: string, message: MessageBody, edited?: string][] = [
    ['text', { type: 'text', body: { text: 'Hello, Bob! ä 漢字 🦦' } }],
    ['reply', { type: 'reply', body: { to: idOf(500), text: 'Yes' } }],
    ['reaction', { type: 'reaction', body: { to: idOf(500), emoji: '👍' } }],
    ['attachment', { type: 'attachment', body: { text: 'The plan', files: [file] } }],
    ['long text', { type: 'text', body: { text: 'long '.repeat(1000) } }],
    ['edit of the first', { type: 'text', body: { text: 'Hello, Bob and Carol!' } }, 'text'],
    ['deletion of the second', { type: 'deleted', body: {} }, 'reply'],
  ]
  const made: Awaited<ReturnType<typeof makeMessage>>[] = []
  for (const [name, message, edited] of bodies) {
    const original = made.find((one) => one.name === edited)
    made.push(await makeMessage(name, message, made, original))
  }
  return made
}

async function makeMessage(
  name: string,
  message: MessageBody,
  made: { content: Content; hash: string }[],
  original?: { content: Content; hash: string },
) {
  const place = original
    ? { ...original.content, revision: 1, original: original.hash }
    : {
        counter: made.length + 1,
        previous: made.at(-1)?.hash ?? null,
        id: idOf(500 + made.length),
        revision: 0,
      }
  const frame = {
    conversation: CONVERSATION,
    sender: ann.id,
    device: DEVICE,
    sent_at: now.toISOString(),
    heads,
  }
  const content: Content = { ...frame, ...place, ...message }
  const recipients = new Map(accounts.map(({ id, last }) => [id, last.encryption_key]))
  const sealed = await sealMessage({ content, signer: ann.own.signer, recipients })
  const secret = await decryptJwe('ECDH-ES+A256KW', sealed.copies[bob.id]!, bob.own.decryption[0]!)
  const padded = await decryptJwe('dir', sealed.shared, secret!.subarray(0, 32))
  const jws = new TextDecoder().decode(padded!).trimEnd()
  return { name, content, jws, content_key: encodeBase64url(secret!.subarray(0, 32)), ...sealed }
}

/** Messages of Ann to Bob that he must not accept, each with the failure that this library names. */
async function makeInvalidMessages({ content, jws, shared, copies }: (typeof messages)[number]) {
  const copy = copies[bob.id]!
  const { kid, privateKey } = ann.own.signer
  const header = { alg: 'ES256', kid, typ: 'parley+jws' }
  const signed = (changedHeader: object, changedContent: object) =>
    new CompactSign(encodeText(JSON.stringify({ v: 1, ...content, ...changedContent })))
      .setProtectedHeader({ ...header, ...changedHeader })
      .sign(privateKey)
  const unsigned = `${encodeBase64url(encodeText(JSON.stringify({ ...header, alg: 'none' })))}.${jws.split('.')[1]}.`
  return [
    { name: 'altered copy', failure: 'undecryptable_copy', copy: alter(copy, 3), shared },
    { name: "another member's copy", failure: 'undecryptable_copy', copy: copies[carol.id]!, shared },
    { name: 'altered ciphertext', failure: 'shared_altered', copy, shared: alter(shared, 3) },
    { name: "another message's ciphertext", failure: 'shared_altered', copy, shared: messages[1]!.shared },
    { name: 'altered signature', failure: 'bad_signature', ...(await encrypt(alter(jws, 2))) },
    { name: 'altered content', failure: 'bad_signature', ...(await encrypt(alter(jws, 1))) },
    { name: 'no signature', failure: 'malformed_message', ...(await encrypt(unsigned)) },
    {
      name: 'another type of JWS',
      failure: 'malformed_message',
      ...(await encrypt(await signed({ typ: 'JWT' }, {}))),
    },
    { name: 'another version', failure: 'malformed_message', ...(await encrypt(await signed({}, { v: 2 }))) },
    {
      name: 'unknown key',
      failure: 'unknown_key',
      ...(await encrypt(await signed({ kid: carol.last.kid }, {}))),
    },
    {
      name: 'another sender',
      failure: 'wrong_sender',
      ...(await encrypt(await signed({}, { sender: bob.id }))),
    },
    {
      name: 'another conversation',
      failure: 'wrong_conversation',
      ...(await encrypt(await signed({}, { conversation: idOf(9) }))),
    },
  ]
}

async function encrypt(jws: string) {
  const contentKey = crypto.getRandomValues(new Uint8Array(32))
  const shared = await encryptJwe('dir', contentKey, pad(jws)!)
  const secret = new Uint8Array([...contentKey, ...(await sha256(encodeText(shared)))])
  const recipient = await importEncryptionKey(bob.last.encryption_key)
  return { copy: await encryptJwe('ECDH-ES+A256KW', recipient, secret), shared }
}

/** Changes one bit in the middle of a part. */
function alter(text: string, part: number): string {
  const parts = text.split('.')
  const bytes = base64url.decode(parts[part]!)
  bytes[bytes.length >> 1]! ^= 1
  return parts.with(part, encodeBase64url(bytes)).join('.')
}

/** The plaintext of a file is the bytes 0, 1, …, 250, 0, 1, … */
async function makeFile(size: number) {
  const key = generateFileKey(size)
  const cipher = await FileCipher.open(key)
  const chunkHashes: string[] = []
  const plaintext = new Blob([Uint8Array.from({ length: size }, (_, index) => index % 251)])
  const encrypted: Bytes[] = []
  for await (const chunk of encryptFile(cipher, plaintext.stream(), chunkHashes)) encrypted.push(chunk)
  const whole = new Uint8Array(await new Blob(encrypted).arrayBuffer())
  return {
    ...key,
    encrypted_size: whole.length,
    chunk_hashes: chunkHashes,
    digest: await digestOfHashes(chunkHashes),
    sha256: encodeBase64url(await sha256(whole)),
    ...(size < 100 && { encrypted: encodeBase64url(whole) }),
  }
}
