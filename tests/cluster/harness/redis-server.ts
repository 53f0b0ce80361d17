import { connect } from 'node:net'
import { freePort } from '../../support/free-port.ts'
import { Child } from './child.ts'

/** A Redis server process, which loses its data when it is stopped. */
export class RedisServer {
  readonly port: number
  #child: Child | undefined

  private constructor(port: number) {
    this.port = port
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort())
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    this.#child = new Child('Redis', 'redis-server', args, { cwd: '/' })
    await this.#child.ready(() => answersPing(this.port))
  }

  async stop(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#child?.exited
  }

  dispose(): Promise<void> {
    return this.stop()
  }
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(1_000, () => socket.destroy())
    socket.once('data', (data) => {
      resolve(data.toString().startsWith('+PONG'))
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(false))
  })
}
