import type { Dialect } from '../../views/dialect.ts'

/** The values of the examples in a dialect. */
export type Samples = ReturnType<typeof createSamples>

/** Creates the values of the examples: Ann and Bob, and their conversation. */
export function createSamples(dialect: Dialect) {
  const startedAt = dialect.time(new Date('2026-01-01T23:38:41.183Z'))
  const sentAt = dialect.time(new Date('2026-01-01T23:40:02.007Z'))
  const conversation = {
    id: CONVERSATION,
    private: false,
    alias: 'Weekend',
    inserted_at: startedAt,
    updated_at: startedAt,
  }
  const message = {
    id: '0197c2a1-1a2b-7c3d-8e4f-5a6b7c8d9e0f',
    sender: ANN,
    content: 'the copy that Ann’s client encrypted for you',
    inserted_at: sentAt,
    updated_at: sentAt,
    message_group: MESSAGE,
    seq: 17,
  }
  const storedKeys = {
    public: dialect.storedKey(PUBLIC_KEY, 'public', ANN),
    private: dialect.storedKey(PRIVATE_KEY, 'private', ANN),
  }
  return {
    dialect,
    ann: user(ANN, 'Ann', true),
    bob: user(BOB, 'Bob', false),
    sentAt,
    conversation,
    message,
    storedKeys,
    accountKeys: { [ANN]: ANN_KEYS },
  }
}

export const ANN = '0197c29f-6d1e-7a2b-9c3d-4e5f60718293'
export const BOB = '0197c29e-3b4c-7d5e-8f60-718293a4b5c6'
export const CONVERSATION = '0197c2a0-0f1e-7d2c-8b3a-495867768594'
export const MESSAGE = '0197c2a1-1a2b-7c3d-8e4f-5a6b7c8d9e10'
export const ATTACHMENT = '0197c2a1-0b1c-7d2e-8f3a-4b5c6d7e8f90'
export const CLIENT_MESSAGE = '4f8b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3'
export const ROOM = 'Zq3Rk7_vX0bN-2mJ4hT9s'
export const ROOM_MESSAGE = 'wW1PZ_xiD_rIzjysnfs1j'

/** The public key that Ann has set for the conversation. */
export const PUBLIC_KEY = {
  kty: 'RSA',
  alg: 'RSA-OAEP-256',
  e: 'AQAB',
  n: 'sXch…',
  ext: true,
  key_ops: ['encrypt'],
}
/** The private half, which her client encrypted. */
export const PRIVATE_KEY = {
  ...PUBLIC_KEY,
  key_ops: ['decrypt'],
  d: 'the secret fields, encrypted with a passphrase',
}

/** The public keys of Ann's account (RFC 7515, appendix A.3, and RFC 7518, appendix C). */
const ANN_KEYS = {
  version: 1,
  encryption_key: {
    crv: 'P-256' as const,
    kty: 'EC' as const,
    x: 'gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0',
    y: 'SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps',
  },
  signing_key: {
    crv: 'P-256' as const,
    kty: 'EC' as const,
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  },
}

function user(id: string, name: string, confirmed: boolean) {
  return { id, email: `${name.toLowerCase()}@example.com`, display_name: name, confirmed }
}
