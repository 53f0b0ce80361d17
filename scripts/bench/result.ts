/** One measurement of a subject in a scenario. */
export interface Result {
  scenario: string
  /** The size of this run of the scenario: `200 members`. */
  size: string
  subject: string
  figures: Figures
}

/** Figures by name. The name contains the unit. `lost` must be 0. */
export type Figures = Record<string, number>

/** Called with each measurement. */
export type Report = (result: Result) => void

/** Duration and sizes of the measurements. */
export interface BenchOptions {
  /** The duration of each closed or open loop. */
  seconds: number
  /** Skips the largest sizes, which take minutes. */
  quick: boolean
}
