import { getPriority, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { hashSync, verifySync } from '@node-rs/argon2'

/**
 * @typedef {{ kind: 'hash', password: string, cost: import('@node-rs/argon2').Options }} HashJob
 * @typedef {{ kind: 'verify', password: string, hash: string }} VerifyJob
 * @typedef {HashJob | VerifyJob} Job
 * @typedef {{ result: string | boolean } | { error: unknown }} Answer
 */

/** Enough for those who serve requests to go first; logging in goes on where the processors are never idle. */
const YIELDING = 5
const MOST = 19

lowerPriority()
parentPort?.on('message', (/** @type {Job} */ job) => parentPort?.postMessage(answer(job)))

/** Only Linux gives each thread a priority of its own: elsewhere the whole process would give way. */
function lowerPriority() {
  if (process.platform !== 'linux') return
  try {
    setPriority(Math.min(MOST, getPriority() + YIELDING))
  } catch {
    // Where it may not, it hashes all the same.
  }
}

/**
 * @param {Job} job
 * @returns {Answer}
 */
function answer(job) {
  try {
    const { password } = job
    return { result: job.kind === 'hash' ? hashSync(password, job.cost) : verifySync(job.hash, password) }
  } catch (error) {
    return { error }
  }
}
