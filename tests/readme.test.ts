import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { startApp } from './support/app.ts'
import { startPublicApp } from './support/public-app.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

describe('README.md', () => {
  it('has a first-conversation example that works when pasted', async () => {
    const { url } = await startApp()
    const script = /## A first conversation[\s\S]*?```sh\n([\s\S]*?)```/.exec(read('README.md'))![1]!
    const output = await run('sh', [], script.replaceAll('localhost:4000', new URL(url).host))
    expect(output).toBe('Bob reads "Hello, Bob!" from Ann (signed)\n')
  })
})

describe('docs/protocol.md', () => {
  it('has working example code for keys', async () => {
    const example = /```js\n([\s\S]*?)```/.exec(read('docs/protocol.md'))![1]!
    const output = await runModule(`${example}
      const ann = await makeKeys()
      const bob = await makeKeys()
      const copies = await encryptForAll({ ann: ann.public_key, bob: bob.public_key }, 'Grüße')
      const stored = JSON.parse(JSON.stringify(await encryptKey(bob.private_key, 'a phrase')))
      const text = await decrypt(await decryptKey(stored, 'a phrase'), copies.bob)
      const wrong = await decryptKey(stored, 'another phrase').then(() => 'decrypted', () => 'rejected')
      console.log(text, wrong, Object.keys(stored).sort().join())`)
    expect(output).toBe('Grüße rejected alg,d,e,ext,key_ops,kty,n\n')
  })
})

describe('docs/rooms.md', () => {
  it('has a working example', async () => {
    const { url } = await startPublicApp()
    const example = /## An example[\s\S]*?```js\n([\s\S]*?)```/.exec(read('docs/rooms.md'))![1]!
    const output = await runModule(example.replaceAll('localhost:4000', new URL(url).host))
    expect(output).toBe(
      'user said Hello, roses!\nA picture is there: image/png\nHello to me! < image < Hello, roses!\n',
    )
  })
})

/** Runs a module with `node --input-type=module`. @throws with its standard error. */
function runModule(source: string): Promise<string> {
  return run(process.execPath, ['--input-type=module'], source)
}

/** Runs a program in the project directory. @returns its standard output. @throws with its standard error. */
function run(program: string, args: string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text
    })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(errors))))
    child.stdin.end(input)
  })
}

function read(path: string): string {
  return readFileSync(root + path, 'utf8')
}
