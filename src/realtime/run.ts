/** Bytes up to which copying frames together is cheaper than handing the system a list of them. */
const SMALL_BYTES = 16_384

/**
 * Frames that are to be written one after the other: those of another run, and one more. Readers that get the same frames
 * in the same order share their runs, and so the bytes they come to.
 */
export class Run {
  /** How many are to get just this. */
  readers = 0
  private readonly before: Run | undefined
  private readonly frame: Buffer | undefined
  private readonly count: number
  private readonly byteLength: number
  #next: Run | undefined
  #chunks: Buffer[] | undefined

  constructor(before?: Run, frame?: Buffer) {
    this.before = before
    this.frame = frame
    this.count = before ? before.count + 1 : 0
    this.byteLength = (before?.byteLength ?? 0) + (frame?.length ?? 0)
  }

  /** The run that has one frame more; the same for all who go on with the same frame in turn. */
  followedBy(frame: Buffer): Run {
    if (this.#next?.frame !== frame) this.#next = new Run(this, frame)
    return this.#next
  }

  /** What to write: as one buffer where that is cheaper, or frame by frame. */
  get chunks(): readonly Buffer[] {
    this.#chunks ??= this.#assemble()
    return this.#chunks
  }

  #assemble(): Buffer[] {
    const frames: Buffer[] = new Array(this.count)
    for (let run: Run | undefined = this; run?.frame; run = run.before) frames[run.count - 1] = run.frame
    const isCheaperApart = this.readers === 1 && this.byteLength > SMALL_BYTES
    return this.count === 1 || isCheaperApart ? frames : [Buffer.concat(frames, this.byteLength)]
  }
}
