/** The users of a run, by index, and their conversations and rooms at the start. */
export interface Population {
  people: number
  devicesPerUser: number
  /** The users whose last device uses long polling. Its requests reach any node. */
  pollingUsers: number[]
  /** The members of each conversation. Conversations of two are private. */
  conversations: number[][]
  rooms: number[][]
}

/** Private conversations, groups and rooms, with each user in several of them. */
export const DEFAULT_POPULATION: Population = {
  people: 6,
  devicesPerUser: 2,
  pollingUsers: [1, 4],
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
