import {
  type Content,
  createKeys,
  extendHistory,
  importOwnKeys,
  type KeyHistory,
  type MessageBody,
  type OpenInput,
  type OwnKeys,
  type PrivateKeyPair,
  rotateKeys,
  type SealedMessage,
  sealMessage,
} from '../../../src/client/encryption/index.ts'

/** A user of the format library: keys, and the history that others verify. */
export interface TestAccount {
  userId: string
  keys: PrivateKeyPair[]
  own: OwnKeys
  history: KeyHistory
}

export const CONVERSATION = '0190a5f0-0000-7000-8000-0000000000c0'
export const DEVICE = 'AAAAAAAAAAAAAAAAAAAAAA'
export const SECRET = 'seven quiet herons'
export const NOW = new Date('2026-01-02T03:04:05.678Z')

/** The id of the n-th user. */
export function userId(n: number): string {
  return `0190a5f0-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
}

export async function newAccount(n: number): Promise<TestAccount> {
  const user = userId(n)
  const { keys, upload } = await createKeys({ userId: user, secret: SECRET, now: NOW })
  const history = await extendHistory(user, [], [upload.entry])
  return { userId: user, keys, own: await importOwnKeys(keys), history }
}

/** The account with new keys, and the entry that says so. */
export async function rotate(account: TestAccount) {
  const input = { userId: account.userId, secret: SECRET, now: NOW }
  const { keys, upload } = await rotateKeys(input, account.keys, account.history.at(-1)!)
  const history = await extendHistory(account.userId, account.history, [upload.entry])
  return { account: { ...account, keys, own: await importOwnKeys(keys), history }, upload }
}

export function contentOf(
  sender: TestAccount,
  change: Partial<Content> = {},
  message?: MessageBody,
): Content {
  return {
    conversation: CONVERSATION,
    sender: sender.userId,
    device: DEVICE,
    counter: 1,
    previous: null,
    id: userId(0xabc),
    revision: 0,
    sent_at: NOW.toISOString(),
    heads: 'A'.repeat(43),
    ...(message ?? { type: 'text', body: { text: 'Hello' } }),
    ...change,
    // A spread of a partial union loses that type and body belong together.
  } as Content
}

export function seal(
  sender: TestAccount,
  members: TestAccount[],
  content = contentOf(sender),
): Promise<SealedMessage> {
  const recipients = new Map(members.map(({ userId, history }) => [userId, history.at(-1)!.encryption_key]))
  return sealMessage({ content, signer: sender.own.signer, recipients })
}

/** What a reader opens of a sealed message, as an honest server delivers it. */
export function received(sealed: SealedMessage, sender: TestAccount, reader: TestAccount): OpenInput {
  return {
    copy: sealed.copies[reader.userId]!,
    shared: sealed.shared,
    keys: reader.own.decryption,
    envelope: { conversation: CONVERSATION, sender: sender.userId },
    history: sender.history,
  }
}
