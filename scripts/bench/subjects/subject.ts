/** A client of a subject. Its methods cause the same work on all subjects. */
export interface Client {
  userId: string
  /** Called with each frame that is not a reply, unparsed. */
  onEvent(listener: (frame: Buffer) => void): void
  /** Sends a message with a copy for each recipient. Resolves when it is acknowledged. */
  send(conversation: string, recipients: string[], content: string): Promise<unknown>
  /** Broadcasts an event that is not stored to a conversation. Resolves when it is acknowledged. */
  broadcast(conversation: string): Promise<unknown>
  close(): void
}

/** A server under load. */
export interface Subject {
  name: string
  /** The id of the measured process. */
  pid: number

  /** Connects a user. The same number is the same user. */
  connect(user: number): Promise<Client>
  /** Starts a conversation of these clients. All of them join it. */
  startConversation(clients: Client[]): Promise<string>
  stop(): Promise<void>
}

/** How a client is connected to a room: by a socket of its own, or by a topic of the multiplexed socket. */
export type RoomTransport = 'socket' | 'topic'

/** A member who is connected to a room. */
export interface RoomClient {
  /** Called with each message of the room, also the own ones. */
  onPost(listener: () => void): void
  /** Stores a text that is not like any other. Resolves when it is acknowledged; on a socket of its own, by the broadcast of it. */
  post(text: string): Promise<unknown>
  close(): void
}

/** A server with rooms, whose members are checked when a message is stored. */
export interface RoomSubject {
  /** Creates a room of these users. @returns its id. */
  createRoom(users: readonly number[]): Promise<string>
  connectToRoom(user: number, roomId: string, transport: RoomTransport): Promise<RoomClient>
}

/** A kind of server to measure. */
export interface SubjectKind<Started extends Subject = Subject> {
  name: string
  start(): Promise<Started>
}
