import type { RoomEntry, RoomPerson } from '../../domain/room-directory.ts'
import { type Html, html } from './html.ts'
import type { Page } from './layout.ts'

/** Who is reading. */
export interface Reader {
  shortId: string
  username: string
}

/** The rooms one is in, the others, and a way to make one. */
export function roomsPage(reader: Reader, { own, others }: { own: RoomEntry[]; others: RoomEntry[] }): Page {
  return {
    title: 'Your rooms',
    shape: 'list',
    script: 'rooms.js',
    header: signedInHeader(reader),
    main: html`<h1>Your rooms</h1>
<section aria-label="Rooms you are in">
${own.length ? html`<ul class="cards">${own.map(ownRoom)}</ul>` : NO_ROOMS}
</section>
<section>
<h2>A new room</h2>
<form class="inline-form" id="create" method="post" action="/api/v1/chat/room-list/">
<p class="alert" role="alert" hidden></p>
<label for="room_name">Name</label>
<input id="room_name" name="room_name" type="text" maxlength="120" required autocomplete="off" aria-describedby="room_name-problem">
<button class="primary" type="submit">Create</button>
<p class="problem" id="room_name-problem" hidden></p>
</form>
</section>
${
  others.length > 0 &&
  html`<section>
<h2>Other rooms</h2>
<p class="hint">Who is in one of them can add you: you are <b>${reader.username}</b>.</p>
<ul class="cards">${others.map(otherRoom)}</ul>
</section>`
}`,
  }
}

/** What the page of a room's people shows. */
export interface PeoplePageOptions {
  reader: Reader
  room: { id: string; name: string; creator: string }
  members: RoomPerson[]
  search: string
  /** Whom the search found. */
  found: RoomPerson[]
}

/** Who is in a room, with ways to add people and to take them out. */
export function peoplePage({ reader, room, members, search, found }: PeoplePageOptions): Page {
  const member = (person: RoomPerson) => {
    const isReader = person.shortId === reader.shortId
    const isCreator = person.shortId === room.creator
    const mayRemove = !isCreator && (isReader || reader.shortId === room.creator)
    const role = [isReader && 'You', isCreator && 'made this room'].filter(Boolean).join(', ')
    return html`<li>
<span class="about"><b>${person.username}</b><span>${role || person.displayName}</span></span>
${mayRemove && removeButton(person, isReader)}
</li>`
  }
  return {
    title: `People in ${room.name}`,
    shape: 'list',
    script: 'people.js',
    header: signedInHeader(reader),
    main: html`<div class="lead">
<h1>People in ${room.name}</h1>
<p><a href="/api/v1/chat/home/${room.id}/">Back to the room</a></p>
</div>
<p class="alert" id="trouble" role="alert" hidden></p>
<section id="people" data-room="${room.id}" data-reader="${reader.shortId}" aria-label="Members">
<ul class="cards">${members.map(member)}</ul>
</section>
<section>
<h2>Add people</h2>
<form class="inline-form" method="get" role="search">
<label for="search">A part of their name or address</label>
<input id="search" name="search" type="search" value="${search}" maxlength="160" required autocomplete="off">
<button type="submit">Search</button>
</form>
${search && results(search, found)}
</section>`,
  }
}

const NO_ROOMS = html`<div class="empty"><b>No rooms yet</b><span>Create one below, or have somebody add you to theirs.</span></div>`

function signedInHeader({ username }: Reader): Html {
  return html`<a class="brand" href="/whisper">Parley</a>
<form class="leaving" method="post" action="/whisper/sign-out"><span class="quiet">${username}</span>
<button class="plain" type="submit">Sign out</button></form>`
}

function ownRoom({ id, name, memberCount }: RoomEntry): Html {
  return html`<li><span class="about"><a href="/api/v1/chat/home/${id}/">${name}</a><span>${people(memberCount)}</span></span></li>`
}

function otherRoom({ name, creator, memberCount }: RoomEntry): Html {
  return html`<li><span class="about"><b>${name}</b><span>${people(memberCount)}, made by ${creator}</span></span></li>`
}

function people(count: number): string {
  return count === 1 ? '1 person' : `${count} people`
}

function removeButton({ shortId, username }: RoomPerson, isReader: boolean): Html {
  if (isReader) return html`<button class="danger" type="button" data-remove="${shortId}">Leave</button>`
  return html`<button type="button" data-remove="${shortId}" aria-label="Remove ${username}">Remove</button>`
}

function results(search: string, found: RoomPerson[]): Html {
  if (!found.length) return html`<p class="empty" role="status">Nobody else is called like “${search}”.</p>`
  const items = found.map(
    ({ shortId, username, displayName }) => html`<li>
<span class="about"><b>${username}</b><span>${displayName}</span></span>
<button type="button" data-add="${shortId}" aria-label="Add ${username}">Add</button>
</li>`,
  )
  return html`<ul class="cards" aria-label="Found">${items}</ul>`
}
