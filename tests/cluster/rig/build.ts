import { execFileSync } from 'node:child_process'

/** Builds what the nodes run, once for all tests. */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
}
