import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { FastifyPluginAsync } from 'fastify'
import { AppError } from '../../errors.ts'

/** The compiler does not copy assets: they are read from the source folder. */
const FOLDER = new URL('../../../src/http/pages/assets/', import.meta.url)

const CONTENT_TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ico': 'image/x-icon',
}

const FOREVER = 'public, max-age=31536000, immutable'
const ONE_DAY = 'public, max-age=86400'

interface Asset {
  contentType: string
  bytes: Buffer
  etag: string
}

const assets = readAssets()

/** One version for all files: scripts import each other by relative path, so a page gets the scripts of its own version. */
const version = digest(Buffer.concat([...assets].flatMap(([name, { bytes }]) => [Buffer.from(name), bytes])))

/** The URL of a script, style or image. @throws when there is no such file. */
export function assetUrl(name: string): string {
  assetOf(name)
  return `/whisper/assets/${version}/${name}`
}

/** The content of a file. @throws when there is no such file. */
export function assetBytes(name: string): Buffer {
  return assetOf(name).bytes
}

/** Serves the assets of the pages. They may be cached forever, since another version has another URL. */
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
        // During an update, pages of the other version may request an asset: they get this one, but may not cache it.
        .header('cache-control', params.version === version ? FOREVER : 'no-cache')
        .header('cross-origin-resource-policy', 'same-origin')
      if (headers['if-none-match'] === asset.etag) return reply.code(304).send()
      return asset.bytes
    },
  )

  // Browsers request this path for documents without a link to an icon.
  app.get('/favicon.ico', { schema: { hide: true } }, async (_request, reply) => {
    const { contentType, bytes } = assetOf('favicon.ico')
    reply.type(contentType).header('cache-control', ONE_DAY)
    return bytes
  })
}

function assetOf(name: string): Asset {
  const asset = assets.get(name)
  if (!asset) throw new Error(`There is no asset ${name}`)
  return asset
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
