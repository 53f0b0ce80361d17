/* Three people talk; see what each of them reads, and what the server gets to see. PARLEY_URL names a server to do it on. */
import { findStage } from './demo/server.ts'
import { Story } from './demo/story.ts'
import { Wire } from './demo/wire.ts'

try {
  const { url, description, stop } = await findStage(process.env.PARLEY_URL)
  console.log(description)
  try {
    await new Story({ url, wire: new Wire() }, console.log).tell()
  } finally {
    await stop()
  }
  console.log('\nEverything was as it should be.')
} catch (error) {
  const { message, cause } = error as Error
  console.error(`\nThe demo failed: ${message}${cause instanceof Error ? `: ${cause.message}` : ''}`)
  process.exitCode = 1
}
