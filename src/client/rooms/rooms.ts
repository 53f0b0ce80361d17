import type { Connection } from '../connection/connection.ts'
import type { Session } from '../session/session.ts'
import type { WireRoom } from '../wire.ts'
import type { Room } from './room.ts'

const PAGE_SIZE = 100

/** A room in a list. */
export interface RoomSummary {
  id: string
  name: string
  /** The ids of the members: the short ones of the rooms' API. */
  memberIds: string[]
  creatorId: string
  createdAt: Date
}

/** The rooms of a site. */
export class Rooms {
  readonly #session: Session
  readonly #connection: Connection
  readonly #byId = new Map<string, Promise<Room>>()

  constructor(session: Session, connection: Connection) {
    this.#session = session
    this.#connection = connection
  }

  /** All rooms, newest first, page by page as they are needed. */
  async *list(): AsyncGenerator<RoomSummary, void, undefined> {
    for (let before: string | undefined; ; ) {
      const query = new URLSearchParams({ limit: `${PAGE_SIZE}`, ...(before !== undefined && { before }) })
      const page: WireRoom[] = await this.#session.request('GET', `/api/v1/chat/room-list?${query}`)
      yield* page.map(summaryOf)
      before = page.at(-1)?.id
      if (page.length < PAGE_SIZE) return
    }
  }

  /** Creates a room with members, by id, and joins it. */
  async create(name: string, userIds: string[] = []): Promise<Room> {
    const body = { room_name: name, user_ids: userIds }
    const { id } = await this.#session.request<WireRoom>('POST', '/api/v1/chat/room-list', { body })
    return this.join(id)
  }

  /** Joins a room that the user is a member of. @throws RejectedError `not_member`, `no_room` */
  async join(id: string): Promise<Room> {
    const opening = this.#byId.get(id) ?? this.#room(id)
    this.#byId.set(id, opening)
    try {
      return await (await opening).open()
    } catch (error) {
      this.#byId.delete(id)
      throw error
    }
  }

  /** Adds members to a room. */
  async addMembers(id: string, userIds: string[]): Promise<void> {
    await this.#session.request('POST', membersOf(id), { body: { user_ids: userIds } })
  }

  /** Removes a member from a room. */
  async removeMember(id: string, userId: string): Promise<void> {
    await this.#session.request('DELETE', `${membersOf(id)}/${encodeURIComponent(userId)}`)
  }

  async #room(id: string): Promise<Room> {
    const { Room } = await import('../on-demand.ts')
    return new Room(id, this.#session, this.#connection)
  }
}

function membersOf(id: string): string {
  return `/api/v1/chat/rooms/${encodeURIComponent(id)}/users`
}

function summaryOf({ id, room_name, users, creator, created }: WireRoom): RoomSummary {
  return { id, name: room_name, memberIds: users, creatorId: creator, createdAt: new Date(created) }
}
