import { startApp, type TestApp } from './app.ts'
import { temporaryFolder } from './folder.ts'
import { freePort } from './free-port.ts'

/** Starts a server whose `PUBLIC_URL` is its actual address, so that its links work. */
export async function startPublicApp(env: Record<string, string> = {}): Promise<TestApp> {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  return startApp({ PORT: String(port), PUBLIC_URL: publicUrl, DATA_DIR: temporaryFolder(), ...env })
}
