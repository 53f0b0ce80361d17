import { expect, it } from 'vitest'
import { startApi } from '../../support/api.ts'
import { documentOf } from '../../support/asyncapi.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

it('/docs/events has a section for every operation of the AsyncAPI document', async () => {
  const api = await startApi(db)
  const { body, statusCode } = await api.send('GET /docs/events')
  expect(statusCode).toBe(200)
  const ids = [...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids).toEqual(expect.arrayContaining(Object.keys(documentOf('documented').operations)))
})

it('/docs/events has no broken links, and needs neither scripts nor inline styles', async () => {
  const api = await startApi(db)
  const { body, headers } = await api.send('GET /docs/events')
  expect(headers['content-security-policy']).toMatch(/^default-src 'none'; .*style-src 'self';/)
  expect(body).not.toMatch(/<script|<style|\sstyle=|\son\w+=/)
  const targets = new Set([...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, target]) => target!))
  for (const target of targets) {
    if (target.startsWith('#')) expect(body, target).toContain(` id="${target.slice(1)}"`)
    else expect((await api.send(`GET ${target}`)).statusCode, target).toBe(200)
  }
})

it('/docs links to the page of events', async () => {
  const api = await startApi(db, { publicUrl: 'https://chat.example.com' })
  const document = (await api.send('GET /docs/json')).json<object>()
  expect(document).toHaveProperty('externalDocs.url', 'https://chat.example.com/docs/events')
})
