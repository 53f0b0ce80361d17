import { open } from 'node:fs/promises'

/** Makes new names in a folder durable: syncing a file itself does not. Does nothing on Windows, where folders cannot be opened. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}
