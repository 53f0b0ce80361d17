import { Worker } from 'node:worker_threads'
import type { Answer, HashJob, Job, VerifyJob } from './hashing-thread.js'

/**
 * Hashes passwords on threads of their own, which give way to whatever else wants a processor, and leave the thread pool to files
 * and DNS. There are as many as there were jobs at once; they stay, and do not keep the process alive.
 */
export class HashingThreads {
  readonly #idle: Worker[] = []

  /** @throws what hashing throws, or what the thread died of. */
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
    const onExit = () => reject(new Error('A hashing thread ended.'))
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
