import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { secureDataDir } from '../src/private-files.ts'
import { temporaryFolder } from './support/folder.ts'
import { recordingLogger } from './support/log.ts'

const OPEN_FOLDERS = ['', 'media', 'media/ab', 'database', 'database/base']
const OPEN_FILES = ['secret-key-base', 'vault-key', 'media/ab/c', 'database/PG_VERSION', 'database/base/1']

/** A folder as previous versions create it with a umask of 0. */
function openDataDir(): string {
  const dir = temporaryFolder()
  for (const name of OPEN_FOLDERS) {
    mkdirSync(join(dir, name), { recursive: true })
    chmodSync(join(dir, name), 0o777)
  }
  for (const name of OPEN_FILES) {
    writeFileSync(join(dir, name), '')
    chmodSync(join(dir, name), 0o666)
  }
  return dir
}

function modeOf(...path: string[]): number {
  return statSync(join(...path)).mode & 0o777
}

it('makes all files of previous versions private, without a warning', () => {
  const dir = openDataDir()
  const { logger, lines } = recordingLogger()
  secureDataDir(dir, logger)
  for (const name of OPEN_FOLDERS) expect(modeOf(dir, name)).toBe(0o700)
  for (const name of OPEN_FILES) expect(modeOf(dir, name)).toBe(0o600)
  expect(lines).toEqual([])
})

it('ignores a missing folder', () => {
  secureDataDir(join(temporaryFolder(), 'none'), recordingLogger().logger)
})

it('leaves files of others and link targets unchanged, with a warning', () => {
  const dir = openDataDir()
  const elsewhere = openDataDir()
  symlinkSync(elsewhere, join(dir, 'database.lock'))
  writeFileSync(join(dir, 'diary'), '')
  chmodSync(join(dir, 'diary'), 0o644)
  const { logger, text } = recordingLogger()
  secureDataDir(dir, logger)
  expect([modeOf(dir), modeOf(dir, 'diary'), modeOf(elsewhere)]).toEqual([0o777, 0o644, 0o777])
  expect(modeOf(dir, 'database', 'PG_VERSION')).toBe(0o600)
  expect(text()).toContain('DATA_DIR')
})
