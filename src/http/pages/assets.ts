import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { FastifyPluginAsync } from 'fastify'
import { AppError } from '../../errors.ts'

/** The compiler copies only code: scripts and styles are read from where they were written. */
const FOLDER = new URL('../../../src/http/pages/assets/', import.meta.url)

const CONTENT_TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

const FOREVER = 'public, max-age=31536000, immutable'

interface Asset {
  contentType: string
  bytes: Buffer
  etag: string
}

const assets = readAssets()

/**
 * One version for all files, as scripts import each other by relative path: whoever gets a page gets the scripts that
 * belong to it.
 */
const version = digest(Buffer.concat([...assets].flatMap(([name, { bytes }]) => [Buffer.from(name), bytes])))

/** Where a page finds a script or style. @throws when there is no such file. */
export function assetUrl(name: string): string {
  if (!assets.has(name)) throw new Error(`There is no asset ${name}`)
  return `/whisper/assets/${version}/${name}`
}

/** Serves the scripts and styles of the pages, to be kept for good: another version has another address. */
export const assetRoutes: FastifyPluginAsync = async (app) => {
  app.get<{ Params: { version: string; name: string } }>(
    '/whisper/assets/:version/:name',
    { schema: { hide: true } },
    async ({ params, headers }, reply) => {
      const asset = assets.get(params.name)
      if (!asset) throw new AppError('not_found')
      reply
        .type(asset.contentType)
        .header('etag', asset.etag)
        // During an update a page of the other version may ask: it gets what there is, but not for good.
        .header('cache-control', params.version === version ? FOREVER : 'no-cache')
        .header('cross-origin-resource-policy', 'same-origin')
      if (headers['if-none-match'] === asset.etag) return reply.code(304).send()
      return asset.bytes
    },
  )
}

function readAssets(): Map<string, Asset> {
  const names = readdirSync(FOLDER).filter((name) => extname(name) in CONTENT_TYPES)
  return new Map(names.sort().map((name) => [name, readAsset(name)]))
}

function readAsset(name: string): Asset {
  const bytes = readFileSync(new URL(name, FOLDER))
  return { contentType: CONTENT_TYPES[extname(name)]!, bytes, etag: `"${digest(bytes)}"` }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 16)
}
