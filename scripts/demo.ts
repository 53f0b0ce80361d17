/* Three users chat. Prints what each of them reads and what the server receives. PARLEY_URL: the server to use. */

import { Scenario } from './demo/scenario.ts'
import { findServer } from './demo/server.ts'
import { TrafficRecorder } from './demo/traffic-recorder.ts'

try {
  const { url, description, stop } = await findServer(process.env.PARLEY_URL)
  console.log(description)
  try {
    await new Scenario({ url, recorder: new TrafficRecorder() }, console.log).run()
  } finally {
    await stop()
  }
  console.log('\nAll checks passed.')
} catch (error) {
  const { message, cause } = error as Error
  console.error(`\nThe demo failed: ${message}${cause instanceof Error ? `: ${cause.message}` : ''}`)
  process.exitCode = 1
}
