import { execFileSync } from 'node:child_process'

/** Compiles the server, which some tests start as a process. Runs once before all tests. */
export function setup(): void {
  execFileSync(process.execPath, ['scripts/build.js'], { stdio: 'inherit' })
}
