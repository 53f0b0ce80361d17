import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'

const HTML = '<link rel="icon" href="data:,"><script type="module" src="/client.js"></script>'

/** Bundles what a page runs. @param source a module that may import from `./src/client/`. */
export async function bundleForPage(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: '.' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  })
  return outputFiles[0]!.text
}

/** Serves a page that runs a module, from an origin other than the server's, until the test has finished. */
export async function servePage(source: string): Promise<{ url: string }> {
  const script = await bundleForPage(source)
  const http = createServer(({ url }, response) => {
    const [type, body] = url === '/client.js' ? ['text/javascript', script] : ['text/html', HTML]
    response.setHeader('content-type', type).end(body)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close())
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }
}
