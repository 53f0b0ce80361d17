import { chmodSync, lstatSync, readdirSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'

/** The files of Parley in `DATA_DIR`. The previous version created `database.pid`. */
const OWN_FILES = [
  'attachments',
  'database',
  'database.lock',
  'database.pid',
  'media',
  'secret-key-base',
  'vault-key',
]

/** The permission bits of group and others. */
const GROUP_AND_OTHERS = 0o077

/**
 * Makes `DATA_DIR` and the files of Parley in it private to their owner, which previous versions did not. It does not enter
 * folders that are private already, so that the cost does not depend on the number of files. Logs a warning for files that it
 * cannot change.
 */
export function secureDataDir(dir: string, log: Pick<Logger, 'warn'>): void {
  if (!lstatSync(dir, { throwIfNoEntry: false })) return
  const foreignFiles = readdirSync(dir).filter((name) => !OWN_FILES.includes(name) && !name.startsWith('.'))
  const refused = OWN_FILES.flatMap((name) =>
    isPrivate(join(dir, name)) ? [] : makePrivate(join(dir, name)),
  )
  // A folder with other files, such as a home directory, may have to stay accessible.
  if (foreignFiles.some((name) => name !== 'lost+found')) {
    if (!isPrivate(dir)) {
      log.warn(
        { dir },
        'DATA_DIR contains other files, so its permissions are unchanged and other users can access it. Use a separate folder.',
      )
    }
  } else if (!removeAccessOfOthers(dir)) {
    refused.push(dir)
  }
  if (refused.length) {
    log.warn(
      { paths: refused.slice(0, 5) },
      'Other users can read some files in DATA_DIR, which this process does not own. Change their owner.',
    )
  }
}

/**
 * Makes a folder and everything in it private to its owner: folders 0700, files 0600. Changes a folder after its contents.
 * @returns the paths that could not be changed, because another user owns them.
 */
export function makePrivate(path: string): string[] {
  const isFolder = statOf(path)?.isDirectory() ?? false
  const refused = isFolder ? readdirSync(path).flatMap((name) => makePrivate(join(path, name))) : []
  return removeAccessOfOthers(path) ? refused : [...refused, path]
}

function isPrivate(path: string): boolean {
  return !((statOf(path)?.mode ?? 0) & GROUP_AND_OTHERS)
}

/** @returns whether the file is private now. */
function removeAccessOfOthers(path: string): boolean {
  const stats = statOf(path)
  if (!stats || !(stats.mode & GROUP_AND_OTHERS)) return true
  try {
    chmodSync(path, stats.mode & (stats.isDirectory() ? 0o700 : 0o600))
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return true
    if (code === 'EPERM' || code === 'EROFS') return false
    throw error
  }
}

/** Undefined for a missing file, and for a symbolic link, whose target must not be changed. */
function statOf(path: string): Stats | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats?.isSymbolicLink() ? undefined : stats
}
