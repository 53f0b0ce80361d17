/** Up to this size, copying frames into one buffer is cheaper than a vectored write. */
const MAX_COPY_BYTES = 16_384

/**
 * An immutable list of frames: those of a previous batch, and one more. Targets that receive the same frames in the same order
 * share their batches, and so the buffer that is written.
 */
export class FrameBatch {
  /** How many targets receive exactly this batch. */
  targetCount = 0
  private readonly previous: FrameBatch | undefined
  private readonly frame: Buffer | undefined
  private readonly count: number
  private readonly byteLength: number
  #next: FrameBatch | undefined
  #chunks: Buffer[] | undefined

  constructor(previous?: FrameBatch, frame?: Buffer) {
    this.previous = previous
    this.frame = frame
    this.count = previous ? previous.count + 1 : 0
    this.byteLength = (previous?.byteLength ?? 0) + (frame?.length ?? 0)
  }

  /** The batch with one frame more. Consecutive calls with the same frame return the same batch. */
  append(frame: Buffer): FrameBatch {
    if (this.#next?.frame !== frame) this.#next = new FrameBatch(this, frame)
    return this.#next
  }

  /** The buffers to write: one for all frames, or one per frame where that is cheaper. */
  get chunks(): readonly Buffer[] {
    this.#chunks ??= this.#assemble()
    return this.#chunks
  }

  #assemble(): Buffer[] {
    const frames: Buffer[] = new Array(this.count)
    for (let batch: FrameBatch | undefined = this; batch?.frame; batch = batch.previous)
      frames[batch.count - 1] = batch.frame
    const isCopyCostly = this.targetCount === 1 && this.byteLength > MAX_COPY_BYTES
    return this.count === 1 || isCopyCostly ? frames : [Buffer.concat(frames, this.byteLength)]
  }
}
