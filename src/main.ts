import { type App, buildApp } from './app.ts'
import { systemClock } from './clock.ts'
import { type Config, ConfigError, readConfig } from './config/config.ts'
import { InterruptCounter } from './interrupts.ts'

/** Below the 30 s after which process supervisors commonly send SIGKILL. */
const DRAIN_TIMEOUT_MS = 28_000
/** The exit code that shells report after SIGINT: 128 + 2. */
const EXIT_CODE_INTERRUPTED = 130

// Files are private to the user that runs the process.
process.umask(0o077)
const config = configure()
const app = await start(config)
const interrupts = new InterruptCounter(systemClock)
let isStopping = false
process.on('SIGTERM', stop)
process.on('SIGINT', (signal) => {
  if (interrupts.isForced()) exitImmediately()
  stop(signal)
})

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

/** Drains once. Supervisors and npm repeat signals. */
function stop(signal: string): void {
  if (isStopping) return
  isStopping = true
  void drain(app, signal)
}

function exitImmediately(): never {
  app.http.log.warn('Interrupted three times: exiting without draining')
  process.exit(EXIT_CODE_INTERRUPTED)
}

async function drain(app: App, signal: string): Promise<void> {
  const { log } = app.http
  log.info({ signal }, 'Draining')
  setTimeout(() => {
    log.error('Draining timed out')
    process.exit(1)
  }, DRAIN_TIMEOUT_MS).unref()
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
    return `Parley cannot listen: ${host}:${port} is in use. Set PORT, or stop the process that uses it.`
  if (code === 'EACCES')
    return `Parley cannot listen: it lacks permission for ${host}:${port}. Set PORT to 1024 or more.`
  const variable = database.kind === 'postgres' ? 'DATABASE_URL' : 'DATA_DIR'
  return `Parley cannot start: ${message || code || error}${code?.startsWith('E') ? ` (check ${variable})` : ''}`
}

function welcome({ publicUrl, database, dataDir, mail, docs }: Config, address: string): string {
  const stored = database.kind === 'postgres' ? 'PostgreSQL' : `the embedded database in ${dataDir}`
  const emails = {
    mailbox: `${publicUrl}/dev/mailbox`,
    none: 'are not sent. Set SMTP_URL or RESEND_API_KEY. (The development mailbox needs a loopback PUBLIC_URL.)',
    smtp: 'are sent through SMTP_URL',
    resend: 'are sent through Resend',
  }[mail.kind]
  return `
Parley is listening at ${address} (${stored}).

  Rooms     ${publicUrl}/whisper
  Docs      ${docs ? `${publicUrl}/docs` : 'off'}
  Emails    ${emails}
  Socket    ${publicUrl.replace(/^http/, 'ws')}/socket

Try:
  curl -s ${publicUrl}/auth/register -H 'content-type: application/json' \\
    -d '{"email": "ann@example.com", "password": "four brave otters sing"}'
  npm run demo
`
}
