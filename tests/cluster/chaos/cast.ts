/** Who takes part in a run: people by their numbers, and what they are in together from the start. */
export interface Cast {
  people: number
  devicesEach: number
  /** Whose last device polls, as where no WebSocket gets through; their requests come to any node. */
  pollers: number[]
  /** The members of each conversation; those of two are private. */
  conversations: number[][]
  rooms: number[][]
}

/** Some pairs, some groups, some rooms, so that everybody is in several of them. */
export const CAST: Cast = {
  people: 6,
  devicesEach: 2,
  pollers: [1, 4],
  conversations: [
    [0, 1],
    [2, 3],
    [4, 5],
    [0, 1, 2, 3, 4, 5],
    [0, 2, 4],
    [1, 3, 5, 0],
  ],
  rooms: [
    [0, 1, 2, 3, 4, 5],
    [3, 4, 5],
  ],
}
