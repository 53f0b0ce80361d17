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

/** A kind of server to measure. */
export interface SubjectKind {
  name: string
  start(): Promise<Subject>
}
