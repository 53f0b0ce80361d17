/** What an edit of a message needs to know of it. */
export interface Origin {
  device: string
  counter: number
  previous: string | null
  /** The hash of revision 0. */
  original: string
  revision: number
}
