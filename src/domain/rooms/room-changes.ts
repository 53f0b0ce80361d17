import type { Database, Orm } from '../../db/database.ts'
import type { StreamChange } from '../sending/send-queue.ts'

/** A change of a room. Its transactions lock the room before they read it, so that an earlier attempt is over by then. */
export interface RoomChange<T> extends Pick<StreamChange<T>, 'finish'> {
  roomId: string
  /** Makes the change, in one transaction. */
  make(tx: Orm): Promise<T>
  /**
   * Finds the result of an attempt whose commit outcome is unknown; undefined if it was rolled back. Runs in the transaction that
   * would make the change again.
   */
  find(tx: Orm, made: T): Promise<T | undefined>
  /** Called after the commit, before any later change of the room. */
  onCommitted(result: T): void
}

/** A change of a room, to be made in order with its posts. */
export function roomChange<T>(db: Database, change: RoomChange<T>): StreamChange<T> {
  /** The result of the latest attempt, before its commit. */
  let made: { result: T } | undefined
  const findMade = async (tx: Orm) => made && change.find(tx, made.result)
  return {
    ...change,
    stream: change.roomId,
    work: (outcomeUnknown) =>
      db.transaction(async (tx) => {
        const earlier = outcomeUnknown ? await findMade(tx) : undefined
        if (earlier !== undefined) return earlier
        made = undefined
        const result = await change.make(tx)
        made = { result }
        return result
      }),
    find: async () => (made ? db.transaction(findMade) : undefined),
  }
}
