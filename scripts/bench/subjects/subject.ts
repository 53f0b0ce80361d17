/** A client connected to a subject. What it does with a talk (a conversation or room) is the same work everywhere. */
export interface Client {
  userId: string
  /** Called with every frame that is no answer, unparsed. */
  onEvent(listener: (frame: Buffer) => void): void
  /** Sends a message with a copy for each recipient; resolves when it is acknowledged. */
  send(talk: string, recipients: string[], content: string): Promise<unknown>
  /** Tells everyone in a talk something that is not kept; resolves when it is acknowledged. */
  signal(talk: string): Promise<unknown>
  close(): void
}

/** A server under load. */
export interface Subject {
  name: string
  /** The process that is measured. */
  pid: number
  /** The HTTP API, if the subject has the chat's. */
  http?: string
  /** Connects one of the subject's users; the same number is the same user. */
  connect(user: number): Promise<Client>
  /** Starts a talk of these clients and lets each join it. */
  startTalk(clients: Client[]): Promise<string>
  stop(): Promise<void>
}

/** A subject that is not running yet. */
export interface SubjectKind {
  name: string
  start(): Promise<Subject>
}
