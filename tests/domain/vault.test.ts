import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { Conversations } from '../../src/domain/conversations.ts'
import { SendQueue } from '../../src/domain/send-queue.ts'
import { Vault } from '../../src/domain/vault.ts'
import { rotateVault } from '../../src/domain/vault-rotation.ts'
import { addPeople, keysNamed } from '../support/chat-services.ts'
import { openTestDatabase, truncateAll } from '../support/database.ts'
import { openEventBus } from '../support/event-bus.ts'

const OLD = 'an old secret that is long enough'
const NEW = 'a new secret that is long enough'
const CONTEXT = ['encryption key', 'a conversation', 'a user', 'public']

describe('a sealed text', () => {
  it('opens again', () => {
    const vault = new Vault([OLD])
    expect(vault.open(vault.seal('Grüße 😀', CONTEXT), CONTEXT)).toBe('Grüße 😀')
  })

  it('looks different every time, and tells nothing of the text', () => {
    const vault = new Vault([OLD])
    const [one, two] = [vault.seal('secret', CONTEXT), vault.seal('secret', CONTEXT)]
    expect(one.bytes).not.toEqual(two.bytes)
    expect(Buffer.from(one.bytes).includes('secret')).toBe(false)
  })

  it('does not open when any byte was changed', () => {
    const vault = new Vault([OLD])
    const { vaultKey, bytes } = vault.seal('secret', CONTEXT)
    for (const index of bytes.keys()) {
      const changed = Uint8Array.from(bytes)
      changed[index] = (changed[index] as number) ^ 1
      expect(() => vault.open({ vaultKey, bytes: changed }, CONTEXT)).toThrow()
    }
    expect(() => vault.open({ vaultKey, bytes: bytes.subarray(0, 20) }, CONTEXT)).toThrow()
  })

  it.each([
    ['another conversation', ['encryption key', 'another', 'a user', 'public']],
    ['another user', ['encryption key', 'a conversation', 'another', 'public']],
    ['another kind of key', ['encryption key', 'a conversation', 'a user', 'private']],
    ['parts cut in other places', ['encryption key', 'a conversationa user', 'public']],
  ])('does not open for %s', (_what, context) => {
    const vault = new Vault([OLD])
    const sealed = vault.seal('secret', CONTEXT)
    expect(() => vault.open(sealed, context)).toThrow()
  })

  it('is made with the first secret, and opened with any', () => {
    const before = new Vault([OLD]).seal('secret', CONTEXT)
    const vault = new Vault([NEW, OLD])
    expect(vault.open(before, CONTEXT)).toBe('secret')
    expect(vault.seal('secret', CONTEXT).vaultKey).toBe(new Vault([NEW]).fingerprint)
    expect(() => new Vault([NEW]).open(before, CONTEXT)).toThrow('VAULT_KEY')
  })
})

describe('opening the vault of a database', () => {
  let db: Database

  beforeAll(async () => {
    db = await openTestDatabase()
  })
  afterAll(() => db.close())
  beforeEach(() => truncateAll(db))

  async function recorded() {
    return (await db.rows<{ fingerprint: string }>('select fingerprint from vault_keys', [])).map(
      (row) => row.fingerprint,
    )
  }

  it('works with the secrets it was used with, and with a new one before them', async () => {
    const { open } = await sealedConversation(db, OLD)
    await expect(Vault.open(db, [OLD])).resolves.toBeDefined()
    const vault = await Vault.open(db, [NEW, OLD])
    expect((await open(vault)).privateKey).toEqual(keysNamed('ann').privateKey)
    expect(await recorded()).toHaveLength(2)
  })

  it('fails when a secret in use is gone, and says what to do', async () => {
    await sealedConversation(db, OLD)
    await expect(Vault.open(db, [NEW])).rejects.toThrow(
      /VAULT_KEY cannot open .* back, at the end of the list/,
    )
    await expect(Vault.open(db, [OLD])).resolves.toBeDefined()
  })

  it('fails when a secret in use was never put on record', async () => {
    await sealedConversation(db, OLD)
    await db.rows('delete from vault_keys', [])
    await expect(Vault.open(db, [NEW])).rejects.toThrow('VAULT_KEY cannot open')
  })

  it('fails when the text on record does not open', async () => {
    await Vault.open(db, [OLD])
    await db.rows(`update vault_keys set "check" = $1`, [Buffer.alloc(64, 1)])
    await expect(Vault.open(db, [OLD])).rejects.toThrow('VAULT_KEY cannot open')
  })

  it('forgets a secret that nothing is sealed with', async () => {
    await Vault.open(db, [OLD])
    await Vault.open(db, [NEW])
    expect(await recorded()).toEqual([new Vault([NEW]).fingerprint])
  })

  it('needs only the new secret once everything is sealed again', async () => {
    const { open } = await sealedConversation(db, OLD)
    await addSealedKeys(db, 501)
    expect(await rotateVault(db, await Vault.open(db, [NEW, OLD]))).toBe(502)
    const vault = await Vault.open(db, [NEW])
    expect((await open(vault)).privateKey).toEqual(keysNamed('ann').privateKey)
    expect(await rotateVault(db, vault)).toBe(0)
  })
})

/** A conversation whose creator's keys are sealed with a secret. */
async function sealedConversation(db: Database, secret: string) {
  const [ann, bob] = (await addPeople(db, 'ann', 'bob')) as [string, string]
  const conversationsWith = (vault: Vault) => {
    const events = openEventBus()
    return new Conversations({ db, queue: new SendQueue(db, events), vault, events })
  }
  const { conversation } = await conversationsWith(await Vault.open(db, [secret])).startGroup(ann, {
    userIds: [bob],
    ...keysNamed('ann'),
  })
  return { open: (vault: Vault) => conversationsWith(vault).open(conversation.id, ann) }
}

/** Many more key pairs like the stored one: copies for other conversations, so that they open for none of these. */
async function addSealedKeys(db: Database, count: number) {
  const vault = new Vault([OLD])
  const [owner] = await db.rows<{ id: string }>('select user_id as id from encryption_keys', [])
  for (let n = 0; n < count; n++) {
    const id = crypto.randomUUID()
    const seal = (kind: string) => vault.seal('{}', ['encryption key', id, owner?.id ?? '', kind]).bytes
    await db.rows('insert into conversations (id, private) values ($1, false)', [id])
    await db.rows(
      `insert into encryption_keys (conversation_id, user_id, vault_key, public_key, private_key)
      values ($1, $2, $3, $4, $5)`,
      [id, owner?.id, vault.fingerprint, seal('public'), seal('private')],
    )
  }
}

describe('npm run secrets', () => {
  const run = (args: string[], env: Record<string, string> = {}) =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', 'scripts/secrets.ts', ...args], {
      env: { PATH: process.env.PATH, ...env },
    })

  it('prints secrets that the server takes', async () => {
    const { stdout } = await run([])
    const env = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=') as [string, string]),
    )
    const config = readConfig({ ...env, NODE_ENV: 'production', PUBLIC_URL: 'https://chat.example' })
    expect(config.vaultSecrets).toEqual([env.VAULT_KEY])
    expect((await run([])).stdout).not.toBe(stdout)
  })

  it('seals everything again with the first secret', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'parley-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const database = { kind: 'embedded', dir: join(dir, 'database') } as const
    const before = await openDatabase(database)
    await sealedConversation(before, OLD)
    await before.close()

    const { stdout } = await run(['rotate'], { DATA_DIR: dir, VAULT_KEY: `${NEW},${OLD}` })
    expect(stdout).toContain('1 key pairs')

    const after = await openDatabase(database)
    await expect(Vault.open(after, [NEW])).resolves.toBeDefined()
    await after.close()
  })
})
