/** Whether the tests run as long as `npm run test:stress` has them run. */
const IS_STRESS = process.env.STRESS === '1'

/** How many rounds a test of random or repeated inputs takes: a few by default, all of them under stress. */
export function rounds(few: number, all: number): number {
  return IS_STRESS ? all : few
}
