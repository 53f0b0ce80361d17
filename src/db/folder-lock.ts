import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Takes the embedded database's folder for this process: two that open it lose each other's rows in silence.
 * @returns the function that gives it back.
 * @throws when a living process holds it.
 */
export function lockFolder(dir: string): () => void {
  const file = `${dir}.pid`
  mkdirSync(dir, { recursive: true })
  if (!claim(file)) {
    const holder = readHolder(file)
    if (holder !== process.pid && isAlive(holder)) {
      throw new Error(
        `The database in ${dir} is in use by process ${holder}. Stop it, choose another DATA_DIR, or use PostgreSQL (DATABASE_URL).`,
      )
    }
    rmSync(file, { force: true })
    if (!claim(file)) throw new Error(`The database in ${dir} was just taken by another process.`)
  }
  return () => rmSync(file, { force: true })
}

function claim(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readHolder(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return 0
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
