import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/app.ts'
import { readConfig } from '../../src/config/config.ts'

/** The address of a server: a given one, that which runs on this computer, or a new one that stops when `close` is called. */
export async function findServer(
  given: string | undefined,
): Promise<{ url: string; close(): Promise<void> }> {
  const url = given ?? 'http://127.0.0.1:4000'
  const isRunning = () => fetch(`${url}/readyz`).then(({ ok }) => ok)
  if (given || (await isRunning().catch(() => false))) return { url, close: async () => {} }
  const folder = mkdtempSync(join(tmpdir(), 'parley-demo-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const app = await buildApp(readConfig({ DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'error' }))
  return { url: await app.listen(), close: () => app.close() }
}
