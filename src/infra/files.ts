import { open } from 'node:fs/promises'

/** Makes new names in a folder durable: syncing the file alone does not. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Undefined if the file does not exist. */
export async function unlessGone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** Whether an operation failed because the file does not exist. */
export function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
