/** One measurement: what was done, who did it, and its figures. */
export interface Result {
  scenario: string
  /** What distinguishes this run of the scenario: `200 members`. */
  size: string
  subject: string
  figures: Figures
}

/** Figures by name; the name says the unit. `lost` must be 0. */
export type Figures = Record<string, number>

/** Receives measurements as they are made. */
export type Report = (result: Result) => void

/** How long and how far to measure. */
export interface Effort {
  /** Seconds of each closed or open loop. */
  seconds: number
  /** Leaves out what takes minutes: the largest sizes. */
  quick: boolean
}
