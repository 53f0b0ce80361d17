import type { Contract } from '../../config/config.ts'
import type { Dialect } from '../../views/dialect.ts'
import { eventName, pushName, type TopicDescription } from './description.ts'
import { allEvents, allPushes } from './lifecycle.ts'
import { MessageFactory } from './messages.ts'
import { type JsonSchema, SchemaCollector } from './schemas.ts'
import { describeServers } from './servers.ts'
import { describeTopics } from './topics/index.ts'

/** What a document describes. */
export interface DocumentOptions {
  contract: Contract
  dialect: Dialect
  /** The base URL of the site. */
  publicUrl: string
  version: string
  license: string
}

const DESCRIPTION =
  'The events of a Parley server. One WebSocket, `/socket/websocket`, carries many topics with the Phoenix Channels protocol, ' +
  'version 2.0.0: each frame is a JSON array `[join_ref, ref, topic, event, payload]`. In this document the first four are the ' +
  'headers of a message. Operations are those of the server: it receives what clients push, and sends replies and events. ' +
  'New fields may be added to objects: ignore those that you do not know.'

/** The AsyncAPI 3 document of a site. */
export function asyncApiDocument({ contract, dialect, publicUrl, version, license }: DocumentOptions) {
  const schemas = new SchemaCollector(contract)
  const messages = new MessageFactory(schemas)
  const topics = describeTopics(dialect)
  const { servers, securitySchemes, bindings } = describeServers(publicUrl)
  const channels = topics.map((topic) => [topic.key, channelOf(topic, messages)] as const)
  const operations = topics.flatMap((topic) => operationsOf(topic))
  return {
    asyncapi: '3.0.0',
    info: { title: 'Parley', version, description: DESCRIPTION, license: { name: license } },
    defaultContentType: 'application/json',
    servers,
    channels: Object.fromEntries(channels),
    operations: Object.fromEntries(operations),
    components: { schemas: schemas.components, securitySchemes, channelBindings: bindings },
  }
}

function channelOf(topic: TopicDescription, messages: MessageFactory): JsonSchema {
  const { address, title, description, parameters, server } = topic
  return {
    address,
    title,
    description,
    servers: [{ $ref: `#/servers/${server}` }],
    ...(Object.keys(parameters).length > 0 && {
      parameters: Object.fromEntries(
        Object.entries(parameters).map(([name, text]) => [name, { description: text }]),
      ),
    }),
    messages: Object.fromEntries([
      ...allPushes(topic).flatMap((push) => messages.ofPush(topic, push)),
      ...allEvents(topic).map((event) => messages.ofEvent(topic, event)),
    ]),
    bindings: { $ref: `#/components/channelBindings/${server}` },
  }
}

function operationsOf(topic: TopicDescription): [string, JsonSchema][] {
  const channel = { $ref: `#/channels/${topic.key}` }
  const message = (name: string) => ({ $ref: `${channel.$ref}/messages/${name}` })
  const received = allPushes(topic).map((push): [string, JsonSchema] => {
    const name = pushName(push)
    const replies = [...(push.reply ? [`${name}.ok`] : []), ...(push.errors ? [`${name}.error`] : [])]
    return [
      `${topic.key}.${name}`,
      {
        action: 'receive',
        channel,
        summary: push.summary,
        messages: [message(name)],
        ...(replies.length > 0 && { reply: { channel, messages: replies.map(message) } }),
      },
    ]
  })
  const sent = allEvents(topic).map((event): [string, JsonSchema] => [
    `${topic.key}.${eventName(event)}`,
    { action: 'send', channel, summary: event.summary, messages: [message(eventName(event))] },
  ])
  return [...received, ...sent]
}
