import type { DirectoryPage, RoomEntry, RoomPerson } from '../../domain/rooms/room-directory.ts'
import { type Html, html } from './html.ts'
import type { Page } from './layout.ts'

/** The signed-in user. */
export interface Reader {
  shortId: string
  username: string
}

/** The rooms of the user, the other rooms, and a form to create one. */
export function roomsPage(
  reader: Reader,
  { own, others }: { own: DirectoryPage<RoomEntry>; others: DirectoryPage<RoomEntry> },
): Page {
  return {
    title: 'Your rooms',
    shape: 'list',
    script: 'rooms.js',
    header: signedInHeader(reader),
    main: html`<h1>Your rooms</h1>
<section aria-label="Your rooms">
${own.items.length ? html`<ul class="cards">${own.items.map(ownRoom)}</ul>` : NO_ROOMS}
${more('Older rooms', 'own_before', own.next)}
</section>
<section>
<h2>New room</h2>
<form class="inline-form" id="create" method="post" action="/api/v1/chat/room-list/">
<p class="alert" role="alert" hidden></p>
<label for="room_name">Name</label>
<input id="room_name" name="room_name" type="text" maxlength="120" required autocomplete="off" aria-describedby="room_name-problem">
<button class="primary" type="submit">Create</button>
<p class="problem" id="room_name-problem" hidden></p>
</form>
</section>
${
  others.items.length > 0 &&
  html`<section>
<h2>Other rooms</h2>
<p class="hint">Their members can add you. Your username is <b>${reader.username}</b>.</p>
<ul class="cards">${others.items.map(otherRoom)}</ul>
${more('Older rooms', 'before', others.next)}
</section>`
}`,
  }
}

/** Options of the page of a room's members. */
export interface MembersPageOptions {
  reader: Reader
  room: { id: string; name: string; creator: string }
  members: DirectoryPage<RoomPerson>
  search: string
  /** The results of the search. */
  found: RoomPerson[]
}

/** The members of a room, with controls to add and remove people. */
export function membersPage({ reader, room, members, search, found }: MembersPageOptions): Page {
  const member = (person: RoomPerson) => {
    const isReader = person.shortId === reader.shortId
    const isCreator = person.shortId === room.creator
    const mayRemove = !isCreator && (isReader || reader.shortId === room.creator)
    const role = [isReader && 'You', isCreator && 'creator'].filter(Boolean).join(', ')
    return html`<li>
<span class="about"><b>${person.username}</b><span>${role || person.displayName}</span>${!isReader && unconfirmed(person)}</span>
${mayRemove && removeButton(person, isReader)}
</li>`
  }
  return {
    title: `People in ${room.name}`,
    shape: 'list',
    script: 'members.js',
    header: signedInHeader(reader),
    main: html`<div class="lead">
<h1>People in ${room.name}</h1>
<p><a href="/api/v1/chat/home/${room.id}/">Back to room</a></p>
</div>
<p class="alert" id="trouble" role="alert" hidden></p>
<section id="members" data-room="${room.id}" data-reader="${reader.shortId}" aria-label="Members">
<ul class="cards">${members.items.map(member)}</ul>
${more('More people', 'after', members.next)}
</section>
<section>
<h2>Add people</h2>
<form class="inline-form" method="get" role="search">
<label for="search">Part of a name, or a full email address</label>
<input id="search" name="search" type="search" value="${search}" maxlength="160" required autocomplete="off">
<button type="submit">Search</button>
</form>
${search && results(search, found)}
</section>`,
  }
}

const NO_ROOMS = html`<div class="empty"><b>No rooms yet</b><span>Create one below, or ask someone to add you to theirs.</span></div>`

function signedInHeader({ username }: Reader): Html {
  return html`<a class="brand" href="/whisper">Parley</a>
<form class="sign-out" method="post" action="/whisper/sign-out"><span class="muted">${username}</span>
<button class="plain" type="submit">Sign out</button></form>`
}

function ownRoom({ id, name, memberCount }: RoomEntry): Html {
  return html`<li><span class="about"><a href="/api/v1/chat/home/${id}/">${name}</a><span>${people(memberCount)}</span></span></li>`
}

function otherRoom({ name, creator, memberCount }: RoomEntry): Html {
  return html`<li><span class="about"><b>${name}</b><span>${people(memberCount)}, created by ${creator}</span></span></li>`
}

/** Anyone can register with any email address: an unverified one may belong to someone else. */
function unconfirmed({ confirmed }: Pick<RoomPerson, 'confirmed'>): Html | false {
  return !confirmed && html`<span class="warning">Email not confirmed</span>`
}

/** A link to the next page of a list, if there is one. */
function more(label: string, parameter: string, next: string | null): Html | false {
  return next !== null && html`<p><a href="?${parameter}=${encodeURIComponent(next)}">${label}</a></p>`
}

function people(count: number): string {
  return count === 1 ? '1 person' : `${count} people`
}

function removeButton({ shortId, username }: RoomPerson, isReader: boolean): Html {
  if (isReader) return html`<button class="danger" type="button" data-remove="${shortId}">Leave</button>`
  return html`<button type="button" data-remove="${shortId}" aria-label="Remove ${username}">Remove</button>`
}

function results(search: string, found: RoomPerson[]): Html {
  if (!found.length) return html`<p class="empty" role="status">No one else found for “${search}”.</p>`
  const items = found.map(
    ({ shortId, username, displayName, confirmed }) => html`<li>
<span class="about"><b>${username}</b><span>${displayName}</span>${unconfirmed({ confirmed })}</span>
<button type="button" data-add="${shortId}" aria-label="Add ${username}">Add</button>
</li>`,
  )
  return html`<ul class="cards" aria-label="Found">${items}</ul>`
}
