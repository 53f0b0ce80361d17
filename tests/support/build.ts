import { execFileSync } from 'node:child_process'

/** Compiles what the tests start as processes of their own, once for all of them. */
export function setup(): void {
  execFileSync(process.execPath, ['scripts/build.js'], { stdio: 'inherit' })
}
