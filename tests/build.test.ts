import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'

/** Creates a project with one source file and the build script of this one. */
function project() {
  const folder = temporaryFolder()
  for (const path of [
    'scripts/build.js',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
  ])
    cpSync(path, join(folder, path))
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'src', 'main.ts'), 'console.log(1)\n')
  mkdirSync(join(folder, 'node_modules'))
  for (const name of ['typescript', '@types'])
    symlinkSync(join(process.cwd(), 'node_modules', name), join(folder, 'node_modules', name))
  return {
    /** @returns its standard output. @throws if it fails. */
    build() {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build.js'], {
        cwd: folder,
        encoding: 'utf8',
      })
      if (status !== 0) throw new Error(stderr)
      return stdout
    },
    write: (path: string, text: string) => writeFileSync(join(folder, path), text),
    prune: () => rmSync(join(folder, 'node_modules'), { recursive: true }),
    compiled: () => readFileSync(join(folder, 'dist', 'main.js'), 'utf8'),
    builtAt: () => statSync(join(folder, 'dist', 'main.js')).mtimeMs,
  }
}

it('recompiles only if a source or the configuration has changed', () => {
  const { build, write, compiled, builtAt } = project()
  expect(build()).toBe('')
  const first = builtAt()
  build()
  expect(builtAt()).toBe(first)
  write('src/main.ts', 'console.log(2)\n')
  build()
  expect(compiled()).toContain('console.log(2)')
  const second = builtAt()
  write('package.json', '{ "type": "module" }')
  build()
  expect(builtAt()).toBeGreaterThan(second)
})

it('compiles again after a failed build', () => {
  const { build, write, compiled } = project()
  build()
  write('src/main.ts', 'const text: string = 1\n')
  expect(build).toThrow('The sources could not be compiled.')
  expect(build).toThrow('The sources could not be compiled.')
  write('src/main.ts', 'console.log(1)\n')
  build()
  expect(compiled()).toContain('console.log(1)')
})

it('needs no compiler if dist/ is up to date, and otherwise says how to install it', () => {
  const { build, write, prune } = project()
  build()
  prune()
  write('package-lock.json', '{}') // as `npm prune` does
  build()
  write('src/main.ts', 'console.log(2)\n')
  expect(build).toThrow('npm ci && npm run build')
})
