import { Worker } from 'node:worker_threads'
import type { Answer, HashJob, Job, VerifyJob } from './hashing-thread.js'

/**
 * Hashes passwords in worker threads. They have a lower priority than the main thread, and keep libuv's thread pool free for files
 * and DNS. The pool grows to the largest number of concurrent jobs, and does not keep the process alive.
 */
export class HashingThreads {
  readonly #idle: Worker[] = []

  /** @throws the error of the hash function, or the one that ended the thread. */
  run(job: HashJob): Promise<string>
  run(job: VerifyJob): Promise<boolean>
  async run(job: Job): Promise<string | boolean> {
    const thread = this.#idle.pop() ?? new Worker(new URL('./hashing-thread.js', import.meta.url))
    thread.ref()
    const answer = await ask(thread, job)
    thread.unref()
    this.#idle.push(thread)
    if ('error' in answer) throw answer.error
    return answer.result
  }
}

function ask(thread: Worker, job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('A hashing thread exited.'))
    thread.once('error', reject)
    thread.once('exit', onExit)
    thread.once('message', (answer: Answer) => {
      thread.off('error', reject)
      thread.off('exit', onExit)
      resolve(answer)
    })
    thread.postMessage(job)
  })
}
