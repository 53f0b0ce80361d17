import { createServer } from 'node:net'
import { startApp, type TestApp } from './app.ts'
import { temporaryFolder } from './folder.ts'

/** A whole server that is reached under the address it knows of itself. */
export async function startSite(env: Record<string, string> = {}): Promise<TestApp> {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  return startApp({ PORT: String(port), PUBLIC_URL: publicUrl, DATA_DIR: temporaryFolder(), ...env })
}

/** A port that nobody listens on, for what must know its address before it starts. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve((address as { port: number }).port))
    })
  })
}
