import {
  type EventDescription,
  eventName,
  type PushDescription,
  pushName,
  type TopicDescription,
} from '../asyncapi/description.ts'
import { allEvents, allPushes } from '../asyncapi/lifecycle.ts'
import { eventHeaders, type Headers, pushHeaders } from '../asyncapi/messages.ts'
import { errorExamples, errorResponse, pushExamples, pushPayload } from '../asyncapi/payloads.ts'
import type { SchemaCollector } from '../asyncapi/schemas.ts'
import { type Content, type Html, html } from './html.ts'
import type { Page } from './layout.ts'
import { prose, SchemaFields } from './schema-fields.ts'

/** The events of the sockets: topics, payloads, replies and examples. */
export function eventsPage(topics: TopicDescription[], schemas: SchemaCollector): Page {
  const sections = new EventSections(topics, schemas)
  return {
    title: 'Events',
    shape: 'reference',
    styles: ['events.css'],
    header: HEADER,
    main: html`${contents(topics)}
<div class="topics">
${INTRODUCTION}
${topics.map((topic) => sections.topic(topic))}
${sections.objects()}
</div>`,
  }
}

const HEADER = html`<a class="brand" href="/docs/">Parley</a>
<nav aria-label="Documentation"><a href="/docs/">HTTP API</a> <a href="/docs/events" aria-current="page">Events</a></nav>`

const INTRODUCTION = html`<div class="lead">
<h1>Events</h1>
<p>What travels over the sockets of this server. One WebSocket, <code>/socket/websocket</code>, carries many topics. Each
frame is a JSON array of five elements:</p>
<pre>[join_ref, ref, topic, event, payload]</pre>
<p>Every push is answered by a frame with the same <code>ref</code>, the event <code>phx_reply</code> and the payload
<code>{"status": "ok" or "error", "response": …}</code>. An event that does not exist is answered with
<code>{"reason": "unknown_event"}</code>. New fields may be added to objects: ignore those that you do not know.</p>
<p>The same for machines: <a href="/docs/asyncapi.json">the AsyncAPI document</a>.</p>
</div>`

function contents(topics: TopicDescription[]): Html {
  const link = (id: string, text: string) => html`<li><a href="#${id}">${text}</a></li>`
  return html`<nav class="contents" aria-label="Contents"><ul>
${topics.map(
  (topic) => html`<li><a href="#${topic.key}"><b>${topic.address}</b></a><ul>
${allPushes(topic).map((push) => link(`${topic.key}.${pushName(push)}`, `→ ${labelOf(push)}`))}
${allEvents(topic).map((event) => link(`${topic.key}.${eventName(event)}`, `← ${event.event}`))}
</ul></li>`,
)}
${link('objects', 'Objects')}
</ul></nav>`
}

/** Builds the sections, with the objects that they link to. */
class EventSections {
  readonly #schemas: SchemaCollector
  readonly #fields: SchemaFields

  constructor(topics: TopicDescription[], schemas: SchemaCollector) {
    this.#schemas = schemas
    for (const topic of topics) this.#collect(topic)
    this.#fields = new SchemaFields(schemas.components)
  }

  topic(topic: TopicDescription): Html {
    const { key, address, title, description, parameters } = topic
    const events = allEvents(topic)
    return html`<section id="${key}">
<h2><code>${address}</code></h2>
<p class="title">${title}</p>
<p>${prose(description)}</p>
${Object.entries(parameters).map(([name, text]) => html`<p><code>${name}</code>: ${prose(text)}</p>`)}
<h3>Clients push</h3>
${allPushes(topic).map((push) => this.#push(topic, push))}
${events.length > 0 && html`<h3>The server sends</h3>`}
${events.map((event) => this.#event(topic, event))}
</section>`
  }

  objects(): Html {
    return html`<section id="objects">
<h2>Objects</h2>
${this.#fields
  .linkedObjects()
  .map(([name, body]) => html`<article id="object.${name}"><h3><code>${name}</code></h3>${body}</article>`)}
</section>`
  }

  #collect(topic: TopicDescription): void {
    for (const push of allPushes(topic)) {
      this.#schemas.convert(push.payload)
      if (push.reply) this.#schemas.convert(push.reply)
      if (push.errors) this.#schemas.convert(errorResponse(push.errors))
    }
    for (const event of allEvents(topic)) this.#schemas.convert(event.payload)
  }

  #push(topic: TopicDescription, push: PushDescription): Html {
    const { reply, replyExamples, errors, metadata, summary } = push
    const headers = pushHeaders(topic, push.event)
    const response = (status: string, value: unknown) =>
      frame(topic, { ...headers, event: 'phx_reply' }, { status, response: value })
    return html`<article id="${topic.key}.${pushName(push)}">
<h4><code>${push.event}</code>${push.contentType && ' (binary)'}</h4>
<p>${prose(summary)}</p>
<h5>Payload</h5>
${push.contentType ? html`<p>${BINARY}</p>` : this.#fields.body(this.#schemas.convert(pushPayload(topic, push)))}
${metadata && html`<p>The JSON object:</p>${this.#fields.body(this.#schemas.convert(metadata))}`}
${reply && html`<h5>Response</h5>${this.#fields.body(this.#schemas.convert(reply))}`}
${errors && html`<h5>Errors</h5>${this.#fields.body(this.#schemas.convert(errorResponse(errors)))}`}
${examples([
  ...pushExamples(topic, push).map((example) =>
    push.contentType ? html`<pre>${String(example)}</pre>` : frame(topic, headers, example),
  ),
  ...(reply ? replyExamples.map((value) => response('ok', value)) : []),
  ...(errors
    ? errorExamples(errors)
        .slice(0, 1)
        .map((value) => response('error', value))
    : []),
])}
</article>`
  }

  #event(topic: TopicDescription, event: EventDescription): Html {
    const headers = eventHeaders(topic, event)
    return html`<article id="${topic.key}.${eventName(event)}">
<h4><code>${event.event}</code></h4>
<p>${prose(event.summary)}</p>
<h5>Payload</h5>
${this.#fields.body(this.#schemas.convert(event.payload))}
${examples(event.examples.map((example) => frame(topic, headers, example)))}
</article>`
  }
}

const BINARY = html`Binary: a JSON object, the characters <code>&lt;delimiter&gt;</code>, and the bytes of the file.`

function labelOf({ event, contentType }: PushDescription): string {
  return contentType ? `${event} (binary)` : event
}

function examples(frames: Content[]): Html {
  return html`<details><summary>${frames.length > 1 ? 'Examples' : 'Example'}</summary>${frames}</details>`
}

/** A frame as it travels: in the envelope of the multiplexed socket, or plain. */
function frame(
  { server }: TopicDescription,
  { join_ref, ref, topic, event }: Headers,
  payload: unknown,
): Html {
  const json = JSON.stringify(payload, null, 2)
  if (server === 'roomSocket') return html`<pre>${json}</pre>`
  const envelope = [join_ref, ref, topic, event].map((value) => JSON.stringify(value)).join(', ')
  return html`<pre>[${envelope}, ${json}]</pre>`
}
