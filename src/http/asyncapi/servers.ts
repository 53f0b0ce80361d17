import type { JsonSchema } from './schemas.ts'

/** The two kinds of sockets of a site: where they are, and how clients authenticate. */
export function describeServers(publicUrl: string) {
  const { host, pathname, protocol } = new URL(publicUrl)
  const base = pathname.replace(/\/+$/, '')
  const at = { host, protocol: protocol === 'https:' ? 'wss' : 'ws', protocolVersion: '13' }
  const schemes = (...names: string[]) =>
    names.map((name) => ({ $ref: `#/components/securitySchemes/${name}` }))
  const servers: Record<string, JsonSchema> = {
    socket: {
      ...at,
      pathname: `${base}/socket/websocket`,
      title: 'The multiplexed socket',
      description:
        'Phoenix Channels, version 2.0.0. On networks that block WebSockets, the same frames travel by long polling at `/socket/longpoll`.',
      security: schemes('queryToken', 'phoenixToken'),
    },
    roomSocket: {
      ...at,
      ...(base && { pathname: base }),
      title: 'Room sockets',
      description: 'One WebSocket for each room.',
      security: schemes('bearerToken'),
    },
  }
  return { servers, securitySchemes, bindings }
}

const securitySchemes: Record<string, JsonSchema> = {
  queryToken: {
    type: 'httpApiKey',
    in: 'query',
    name: 'token',
    description: 'The access token as a parameter of the URL.',
  },
  phoenixToken: {
    type: 'httpApiKey',
    in: 'header',
    name: 'Sec-WebSocket-Protocol',
    description: '`phoenix, base64url.bearer.phx.<the access token in base64url, without padding>`.',
  },
  bearerToken: {
    type: 'http',
    scheme: 'bearer',
    description:
      'The access token in the header `Authorization`. Browsers offer the subprotocols `bearer` and the token itself instead, or send the cookie of a session.',
  },
}

const bindings: Record<string, JsonSchema> = {
  socket: {
    ws: {
      method: 'GET',
      query: {
        type: 'object',
        required: ['vsn'],
        properties: {
          vsn: { const: '2.0.0', description: 'The version of the protocol.' },
          token: { type: 'string', description: 'The access token, unless it is sent as a subprotocol.' },
        },
      },
      bindingVersion: '0.1.0',
    },
  },
  roomSocket: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
}
