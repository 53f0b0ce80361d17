import { expect, it } from 'vitest'
import { startPublicApp } from '../support/public-app.ts'
import { openBrowser, screenshot } from './browser.ts'

it.each(['/docs/', '/api/schema/swagger-ui/', '/api/schema/redoc/'])(
  '%s shows the API without errors or requests to other servers',
  async (path) => {
    const site = await startPublicApp()
    const page = await openBrowser(site)
    const origins = new Set<string>()
    page.on('request', (request) =>
      origins.add(new URL(request.url()).protocol + new URL(request.url()).host),
    )
    await page.goto(path)
    await page.getByText('List rooms, newest first').filter({ visible: true }).first().waitFor()
    await screenshot(page, path.replaceAll('/', '-'))
    const otherServers = [...origins].filter((origin) => !/^(data|blob):|localhost/.test(origin))
    expect(otherServers).toEqual([])
  },
)
