import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import type { Database } from '../../../src/db/database.ts'
import { openDatabase } from '../../../src/db/open-database.ts'
import { Conversations } from '../../../src/domain/conversations/conversations.ts'
import { SendQueue } from '../../../src/domain/sending/send-queue.ts'
import { PageTokens } from '../../../src/domain/shared/pagination.ts'
import { Vault } from '../../../src/domain/vault/vault.ts'
import { rotateVault } from '../../../src/domain/vault/vault-rotation.ts'
import { addPeople, keysNamed } from '../../support/chat-services.ts'
import { dataFolder } from '../../support/data-folder.ts'
import { openEventBus } from '../../support/event-bus.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const OLD = 'an old secret that is long enough'
const NEW = 'a new secret that is long enough'
const CONTEXT = ['encryption key', 'a conversation', 'a user', 'public']

describe('a ciphertext', () => {
  it('can be decrypted', () => {
    const vault = new Vault([OLD])
    expect(vault.open(vault.seal('Grüße 😀', CONTEXT), CONTEXT)).toBe('Grüße 😀')
  })

  it('differs every time, and does not contain the text', () => {
    const vault = new Vault([OLD])
    const [one, two] = [vault.seal('secret', CONTEXT), vault.seal('secret', CONTEXT)]
    expect(one.bytes).not.toEqual(two.bytes)
    expect(Buffer.from(one.bytes).includes('secret')).toBe(false)
  })

  it('cannot be decrypted when any byte was changed', () => {
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
  ])('cannot be decrypted for %s', (_what, context) => {
    const vault = new Vault([OLD])
    const sealed = vault.seal('secret', CONTEXT)
    expect(() => vault.open(sealed, context)).toThrow()
  })

  it('is encrypted with the first secret, and decrypted with any', () => {
    const before = new Vault([OLD]).seal('secret', CONTEXT)
    const vault = new Vault([NEW, OLD])
    expect(vault.open(before, CONTEXT)).toBe('secret')
    expect(vault.seal('secret', CONTEXT).vaultKey).toBe(new Vault([NEW]).fingerprint)
    expect(() => new Vault([NEW]).open(before, CONTEXT)).toThrow('VAULT_KEY')
  })
})

describe('opening the vault of a database', () => {
  const db = setUpEmptyDatabase()

  async function recorded() {
    return (await db.rows<{ fingerprint: string }>('select fingerprint from vault_keys', [])).map(
      (row) => row.fingerprint,
    )
  }

  it('accepts the secrets in use, and a new one before them', async () => {
    const { open } = await sealedConversation(db, OLD)
    await expect(Vault.open(db, [OLD])).resolves.toBeDefined()
    const vault = await Vault.open(db, [NEW, OLD])
    expect((await open(vault)).privateKey).toEqual(keysNamed('ann').privateKey)
    expect(await recorded()).toHaveLength(2)
  })

  it('fails when a secret in use is missing, and says what to do', async () => {
    await sealedConversation(db, OLD)
    await expect(Vault.open(db, [NEW])).rejects.toThrow(/VAULT_KEY cannot decrypt .* at the end of the list/)
    await expect(Vault.open(db, [OLD])).resolves.toBeDefined()
  })

  it('fails when a secret in use has no check value', async () => {
    await sealedConversation(db, OLD)
    await db.rows('delete from vault_keys', [])
    await expect(Vault.open(db, [NEW])).rejects.toThrow('VAULT_KEY cannot decrypt')
  })

  it('fails when the check value cannot be decrypted', async () => {
    await Vault.open(db, [OLD])
    await db.rows(`update vault_keys set "check" = $1`, [Buffer.alloc(64, 1)])
    await expect(Vault.open(db, [OLD])).rejects.toThrow('VAULT_KEY cannot decrypt')
  })

  it('deletes the check value of a secret that is no longer in use', async () => {
    await Vault.open(db, [OLD])
    await Vault.open(db, [NEW])
    expect(await recorded()).toEqual([new Vault([NEW]).fingerprint])
  })

  it('requires only the new secret after the rotation', async () => {
    const { open } = await sealedConversation(db, OLD)
    await addSealedKeys(db, 501)
    expect(await rotateVault(db, await Vault.open(db, [NEW, OLD]))).toBe(502)
    const vault = await Vault.open(db, [NEW])
    expect((await open(vault)).privateKey).toEqual(keysNamed('ann').privateKey)
    expect(await rotateVault(db, vault)).toBe(0)
    expect(await db.rows('select from encryption_keys where public_jwk is null', [])).toHaveLength(0)
  })

  it('keeps plain and encrypted public keys equal after the rotation', async () => {
    const { open } = await sealedConversation(db, OLD)
    await rotateVault(db, await Vault.open(db, [NEW, OLD]))
    const vault = await Vault.open(db, [NEW])
    const readable = (await open(vault)).publicKeys
    await db.rows('update encryption_keys set public_jwk = null', [])
    expect((await open(vault)).publicKeys).toEqual(readable)
    expect([...readable.values()]).toEqual([keysNamed('ann').publicKey])
  })
})

/** A conversation whose creator's keys are sealed with a secret. */
async function sealedConversation(db: Database, secret: string) {
  const [ann, bob] = (await addPeople(db, 'ann', 'bob')) as [string, string]
  const conversationsWith = (vault: Vault) => {
    const events = openEventBus()
    const pageTokens = new PageTokens('a secret of thirty-two characters')
    return new Conversations({ db, queue: new SendQueue(db), vault, events, pageTokens })
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
    promisify(execFile)(process.execPath, ['dist/cli/secrets.js', ...args], {
      env: { PATH: process.env.PATH, ...env },
    })

  it('prints secrets that the server accepts', async () => {
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

  it('encrypts everything with the first secret', async () => {
    const dir = dataFolder()
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
