import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

/** What an application imports that signs in; everything else is reached from there. */
const APPLICATION = `export { register, resume, signIn } from './index.ts'`

it('is at most 40 KB for browsers, minified and gzipped, with phoenix and jose', async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: APPLICATION, resolveDir: 'src/client', sourcefile: 'application.ts' },
    bundle: true,
    // What only some clients need is loaded when it is needed.
    splitting: true,
    outdir: 'dist',
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  })
  const inputs = Object.keys(metafile.inputs)
  const packages = new Set(inputs.flatMap((path) => /node_modules\/([^/]+)/.exec(path)?.[1] ?? []))
  expect([...packages].sort()).toEqual(['jose', 'phoenix'])
  expect(
    inputs.filter((path) => path.startsWith('src/') && !/^src\/(client|account-keys)\//.test(path)),
  ).toEqual([])
  const isLoadedFirst = startFiles(metafile.outputs)
  const first = outputFiles.filter(({ path }) => [...isLoadedFirst].some((name) => path.endsWith(name)))
  expect(
    first.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0),
  ).toBeLessThanOrEqual(40 * 1024)
})

type Outputs = Record<string, { entryPoint?: string; imports: { path: string; kind: string }[] }>

/** The entry, and what it imports statically. */
function startFiles(outputs: Outputs): Set<string> {
  const found = new Set<string>()
  const add = (path: string) => {
    if (found.has(path)) return
    found.add(path)
    for (const { path: imported, kind } of outputs[path]!.imports)
      if (kind === 'import-statement') add(imported)
  }
  add(Object.keys(outputs).find((path) => outputs[path]!.entryPoint?.endsWith('application.ts'))!)
  return found
}
