import { type App, buildApp } from './app.ts'
import { type Config, ConfigError, readConfig } from './config.ts'

/** A drain that takes longer is cut short: whoever stops processes would kill it anyway. */
const CLOSE_WITHIN_MS = 28_000

const config = configure()
const app = await start(config)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(app, signal))

function configure(): Config {
  try {
    return readConfig()
  } catch (error) {
    if (error instanceof ConfigError) return fail(error.message)
    throw error
  }
}

async function start(config: Config): Promise<App> {
  try {
    const app = await buildApp(config)
    const address = await app.listen()
    if (config.production) app.http.log.info({ address }, 'Parley is listening')
    else console.log(welcome(config, address))
    return app
  } catch (error) {
    return fail(explainStart(error, config))
  }
}

async function stop(app: App, signal: string): Promise<void> {
  const { log } = app.http
  log.info({ signal }, 'Draining')
  setTimeout(() => {
    log.error('Draining took too long: cut short')
    process.exit(1)
  }, CLOSE_WITHIN_MS).unref()
  try {
    await app.close()
  } catch (err) {
    log.error({ err }, 'Closing failed')
    process.exit(1)
  }
  log.info('Closed')
  process.exit(0)
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

function explainStart(error: unknown, { host, port, database }: Config): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return `Parley cannot listen: ${host}:${port} is in use. Set PORT, or stop what uses it.`
  if (code === 'EACCES')
    return `Parley cannot listen on ${host}:${port}: it is not allowed to. Set PORT to 1024 or more.`
  const where = database.kind === 'postgres' ? 'DATABASE_URL' : 'DATA_DIR'
  return `Parley cannot start: ${message || code || error}${code?.startsWith('E') ? ` (look at ${where})` : ''}`
}

function welcome({ publicUrl, database, dataDir }: Config, address: string): string {
  const stored = database.kind === 'postgres' ? 'PostgreSQL' : `the embedded database in ${dataDir}`
  return `
Parley is listening at ${address} (${stored}).

  Rooms     ${publicUrl}/whisper
  Docs      ${publicUrl}/docs
  Letters   ${publicUrl}/dev/mailbox
  Socket    ${publicUrl.replace(/^http/, 'ws')}/socket

Try:
  curl -s ${publicUrl}/auth/register -H 'content-type: application/json' \\
    -d '{"email": "ann@example.com", "password": "four brave otters sing"}'
  npm run demo
`
}
