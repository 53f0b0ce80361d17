import { busy } from './retry-until-committed.ts'

/** Rethrows an error of the disk: a full one is a temporary failure that the operator must fix. @throws AppError `busy` if it is full. */
export function rethrowAsBusyIfFull(error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  throw ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'].includes(code) ? busy(error) : error
}
