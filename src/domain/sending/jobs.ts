import type { SendKind } from './send-kind.ts'

/** A message to be stored. */
export interface SendJob<Draft = unknown, Sent = unknown> {
  kind: SendKind<Draft, Sent>
  stream: string
  draft: Draft
  /** Characters of its contents. */
  size: number
  /** The time after which it is not retried. */
  until: number
  attempts: number
  resolve(sent: Sent): void
  reject(error: unknown): void
}

/** Any other change of a stream, made in order with its messages. */
export interface ChangeJob {
  stream: string
  /**
   * Makes the change; never rejects. It may return further work, which never rejects either: until that is done, the stream has to
   * wait, but the worker does not.
   */
  run(): Promise<(() => Promise<void>) | undefined>
}

export type Job = SendJob | ChangeJob

export function isChange(job: Job): job is ChangeJob {
  return 'run' in job
}
