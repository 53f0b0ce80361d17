import type { Clock } from '../clock.ts'
import type { Database, Orm } from '../db/database.ts'
import { deleteRecoveryCodes, insertRecoveryCodes, useRecoveryCode } from '../db/queries/recovery-codes.ts'
import {
  confirmDevice,
  deleteDevice,
  findDevice,
  hasConfirmedDevice,
  lockDevice,
  putDevice,
  type TotpDevice,
  takeStep,
} from '../db/queries/totp.ts'
import { findUserByEmail, lockCredentials, type UserSummary } from '../db/queries/users.ts'
import { AppError } from '../errors.ts'
import { newRecoveryCodes, recoveryCodeHash } from './recovery-codes.ts'
import type { SessionCheck, Sessions } from './sessions.ts'
import { beginTry, endTry, isLocked } from './totp-attempts.ts'
import { matchingStep, newTotpSecret, totpUri } from './totp-codes.ts'
import type { Sealed, Vault } from './vault.ts'

export interface TotpOptions {
  db: Database
  clock: Clock
  vault: Vault
  sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
  /** The name of this site in authenticator apps. */
  issuer: string
}

type Owner = Pick<UserSummary, 'id' | 'email'>

/** Nobody has this id: what is asked for an unknown address is asked for it, so that it takes the same time. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/** The second factor: authenticator apps (RFC 6238), and recovery codes for who has lost theirs. */
export class Totp {
  readonly #db: Database
  readonly #clock: Clock
  readonly #vault: Vault
  readonly #sessions: TotpOptions['sessions']
  readonly #issuer: string
  /** The secret of nobody's device. */
  readonly #decoy: Sealed

  constructor({ db, clock, vault, sessions, issuer }: TotpOptions) {
    this.#db = db
    this.#clock = clock
    this.#vault = vault
    this.#sessions = sessions
    this.#issuer = issuer
    this.#decoy = vault.seal(newTotpSecret(), contextOf(NOBODY))
  }

  /**
   * Begins to set a device up; one that was begun before is given up.
   * @throws AppError `totp_confirmed`.
   */
  async create(userId: string): Promise<void> {
    const { vaultKey, bytes: secret } = this.#vault.seal(newTotpSecret(), contextOf(userId))
    const isPut = await putDevice(this.#db.orm, { userId, vaultKey, secret }, new Date(this.#clock.now()))
    if (!isPut) throw new AppError('totp_confirmed')
  }

  /**
   * What the app has to scan: told only while the device is being set up.
   * @throws AppError `totp_missing` or `totp_confirmed`.
   */
  async uri({ id, email }: Owner): Promise<string> {
    const device = unconfirmed(await findDevice(this.#db.orm, id))
    return totpUri(this.#secretOf(device), { issuer: this.#issuer, email })
  }

  /**
   * Confirms a device with its first code, and ends the user's sessions but the excepted one.
   * @returns the recovery codes, which nobody can be told again.
   * @throws AppError `otp_invalid`, `rate_limited`, `totp_missing` or `totp_confirmed`.
   */
  async confirm(user: Owner, code: string, exceptSession?: string): Promise<string[]> {
    unconfirmed(await findDevice(this.#db.orm, user.id))
    const recoveryCodes = newRecoveryCodes()
    const ended = await this.#try(user, async (tx) => {
      await lockCredentials(tx, user.id)
      const device = unconfirmed(await lockDevice(tx, user.id))
      const now = this.#clock.now()
      const step = matchingStep(this.#secretOf(device), code, { now, lastStep: 0 })
      if (step === undefined) return undefined
      await confirmDevice(tx, user.id, { step, now: new Date(now) })
      const hashes = recoveryCodes.map((one) => recoveryCodeHash(user.id, one)!)
      await insertRecoveryCodes(tx, user.id, hashes)
      return this.#sessions.revokeAllIn(tx, user.id, { except: exceptSession })
    })
    this.#sessions.announce(ended)
    return recoveryCodes
  }

  /**
   * Removes a confirmed device, with a code of it.
   * @throws AppError `otp_invalid`, `rate_limited` or `totp_missing`.
   */
  async remove(user: Owner, code: string): Promise<void> {
    if (!(await hasConfirmedDevice(this.#db.orm, user.id))) throw new AppError('totp_missing')
    await this.#try(user, async (tx) => {
      if (!(await this.#spend(tx, user.id, code))) return undefined
      await deleteDevice(tx, user.id)
      await deleteRecoveryCodes(tx, user.id)
      return true
    })
  }

  /**
   * Uses a code up. Whether there is such an account, with a device, is not told, nor by the time it takes.
   * @returns the id of the user whose address and code these are.
   * @throws AppError `otp_invalid` or `rate_limited`.
   */
  async verify(email: string, code: string): Promise<string> {
    const { id } = (await findUserByEmail(this.#db.orm, email)) ?? { id: NOBODY }
    return this.#try({ id, email }, async (tx) => ((await this.#spend(tx, id, code)) ? id : undefined))
  }

  /**
   * Asks a user who has proved their password for a code, if they have a device.
   * @returns what must still be true when they are signed in.
   * @throws AppError `totp_required`, `otp_invalid` or `rate_limited`.
   */
  async challenge(user: Owner, code: string | undefined): Promise<SessionCheck> {
    const refuseWithDevice: SessionCheck = async (tx) => {
      if (await hasConfirmedDevice(tx, user.id)) throw new AppError('totp_required')
    }
    if (!(await hasConfirmedDevice(this.#db.orm, user.id))) return refuseWithDevice
    if (!code) throw new AppError('totp_required')
    await this.verify(user.email, code)
    return async () => {}
  }

  /** Counts a try whatever comes of it: a wrong code must not undo its own counting. */
  async #try<T>(user: Owner, judge: (tx: Orm) => Promise<T | undefined>): Promise<T> {
    const result = await this.#db.transaction(async (tx) => {
      await beginTry(tx, user.email, this.#clock.now())
      const found = await judge(tx)
      await endTry(tx, { email: user.email, userId: user.id, isRight: found !== undefined })
      return found
    })
    if (result === undefined) throw new AppError('otp_invalid')
    return result
  }

  /** Whether it was a code of the user's device that nobody had used, or a recovery code. */
  async #spend(tx: Orm, userId: string, code: string): Promise<boolean> {
    const device = await lockDevice(tx, userId)
    const isUsable = device?.confirmedAt != null && !isLocked(device)
    const now = this.#clock.now()
    const lastStep = device?.lastStep ?? 0
    const step = matchingStep(this.#secretOf(device), code, { now, lastStep })
    if (step !== undefined) return isUsable && takeStep(tx, userId, step)
    const hash = recoveryCodeHash(userId, code)
    return hash !== undefined && useRecoveryCode(tx, isUsable ? userId : NOBODY, hash, new Date(now))
  }

  #secretOf(device: TotpDevice | undefined): string {
    if (!device) return this.#vault.open(this.#decoy, contextOf(NOBODY))
    const { userId, vaultKey, secret } = device
    return this.#vault.open({ vaultKey, bytes: secret }, contextOf(userId))
  }
}

/** Seals a secret again that another vault key sealed. */
export function resealed(
  vault: Vault,
  { userId, vaultKey, secret }: Pick<TotpDevice, 'userId' | 'vaultKey' | 'secret'>,
) {
  const text = vault.open({ vaultKey, bytes: secret }, contextOf(userId))
  const sealed = vault.seal(text, contextOf(userId))
  return { userId, vaultKey: sealed.vaultKey, secret: sealed.bytes }
}

function unconfirmed(device: TotpDevice | undefined): TotpDevice {
  if (!device) throw new AppError('totp_missing')
  if (device.confirmedAt) throw new AppError('totp_confirmed')
  return device
}

function contextOf(userId: string): readonly string[] {
  return ['totp secret', userId]
}
