/** Whether the tests are run by `npm run test:stress`. */
const IS_STRESS = process.env.STRESS === '1'

/** The number of rounds of a test of random or repeated inputs. `all` is used by `npm run test:stress`. */
export function rounds(few: number, all: number): number {
  return IS_STRESS ? all : few
}
