import { startApp, type TestApp } from './app.ts'
import { temporaryFolder } from './folder.ts'
import { freePort } from './free-port.ts'

/** A whole server that is reached under the address it knows of itself. */
export async function startPublicApp(env: Record<string, string> = {}): Promise<TestApp> {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  return startApp({ PORT: String(port), PUBLIC_URL: publicUrl, DATA_DIR: temporaryFolder(), ...env })
}
