import { Type } from 'typebox'
import { component } from './components.ts'
import { Id, List, Time } from './fields.ts'

/** A coordinate of a point of P-256: 32 bytes in base64url. */
const Coordinate = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: '32 bytes in base64url.' })

const publicKey = Type.Object(
  { crv: Type.Literal('P-256'), kty: Type.Literal('EC'), x: Coordinate, y: Coordinate },
  { additionalProperties: false, description: 'A public JWK (RFC 7517) with exactly these members.' },
)

const signature = Type.Object({ protected: Type.String(), signature: Type.String() })

const entry = Type.Object(
  { payload: Type.String(), signatures: Type.Array(signature, { minItems: 1, maxItems: 2 }) },
  { description: 'An entry of a key history: a JWS in the General JSON Serialization (RFC 7515).' },
)

/** A public key of an account. */
export const PublicJwk = component('PublicJwk', publicKey)

/** An entry of a key history. */
export const KeyHistoryEntry = component('KeyHistoryEntry', entry)

const Version = Type.Integer({ description: 'Counts up from 1 with every change.' })
const Thumbprint = Type.String({ description: 'Of both keys and the user id: SHA-256 in base64url.' })

/** The public keys of an account. */
export const AccountPublicKeys = component(
  'AccountPublicKeys',
  Type.Object({ version: Version, encryption_key: PublicJwk, signing_key: PublicJwk }),
)

/** `account_keys`: the keys of the accounts of members, by user id. */
export const AccountKeys = Type.Record(Type.String(), AccountPublicKeys, {
  description: 'The keys of the accounts of members, by user id. Members without a key set are absent.',
})

/** The key set of the caller. */
export const KeySet = component(
  'KeySet',
  Type.Object(
    {
      version: Version,
      encryption_key: PublicJwk,
      signing_key: PublicJwk,
      thumbprint: Thumbprint,
      locked: Type.String({ description: 'The private keys: a compact JWE that the server cannot open.' }),
      updated_at: Time,
    },
    { description: 'The current key set. The `ETag` is its version.' },
  ),
)

/** The body of a request that stores a key set. */
export const NewKeySet = Type.Object({
  encryption_key: publicKey,
  signing_key: publicKey,
  locked: Type.String({
    description:
      'The private keys: a compact JWE (RFC 7516) of PBES2-HS512+A256KW and A256GCM, at most 16 KiB.',
  }),
  entry,
})

/** The body of a request for the keys of users. */
export const KeyQuery = Type.Object({
  user_ids: List(Type.String(), { maxItems: 500, description: 'Unknown ones are ignored.' }),
  known_versions: Type.Optional(
    Type.Record(Type.String(), Type.Integer({ minimum: 0, maximum: 2_147_483_647 }), {
      maxProperties: 500,
      description: 'The version of each user that the caller knows. Adds `history` to the response.',
    }),
  ),
})

const QueriedKeys = component(
  'QueriedKeys',
  Type.Object({
    user_id: Id,
    version: Version,
    encryption_key: PublicJwk,
    signing_key: PublicJwk,
    thumbprint: Thumbprint,
    history: Type.Optional(
      Type.Array(KeyHistoryEntry, {
        description:
          'The entries after the known version, oldest first. Read the rest if it does not reach `version`.',
      }),
    ),
  }),
)

/** The keys of users. */
export const QueriedKeysList = component(
  'QueriedKeysList',
  Type.Object(
    { items: Type.Array(QueriedKeys) },
    { description: 'Users without keys, and users whom the caller may not see, are absent.' },
  ),
)

/** Entries of the key history of one user. */
export const KeyHistory = component(
  'KeyHistory',
  Type.Object({ items: Type.Array(KeyHistoryEntry) }, { description: 'At most 100 entries, oldest first.' }),
)

const summary = {
  name: Type.String(),
  version: Type.Integer({ description: 'Greater than every earlier version of data of the account.' }),
  size: Type.Integer({ description: 'Bytes.' }),
  updated_at: Time,
}

/** Data of the account, without its content. */
export const AccountDataSummary = component(
  'AccountDataSummary',
  Type.Object(summary, { description: 'What was stored. The `ETag` is its version.' }),
)

/** Data of the account. */
export const AccountData = component(
  'AccountData',
  Type.Object({ ...summary, data: Type.String() }, { description: 'The data. The `ETag` is its version.' }),
)

export const AccountDataList = component(
  'AccountDataList',
  Type.Object({ items: Type.Array(AccountDataSummary) }, { description: 'By name, without the content.' }),
)

/** The body of a request that stores data. */
export const NewAccountData = Type.Object({
  data: Type.String({ description: 'At most 64 KiB. The server does not interpret it.' }),
})
