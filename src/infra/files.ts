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
