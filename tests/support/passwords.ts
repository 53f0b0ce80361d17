import { Passwords } from '../../src/domain/passwords/passwords.ts'

/** Creates `Passwords` with the lowest Argon2id cost: a hash takes microseconds instead of tens of milliseconds. */
export function cheapPasswords(options: { maxConcurrent?: number } = {}): Passwords {
  return new Passwords({
    ...options,
    cost: { memoryCost: 8, timeCost: 1, parallelism: 1 },
    dummyHash:
      '$argon2id$v=19$m=8,t=1,p=1$os+IxgxyJTvsSLrrlrL8tQ$MoH7dWN4ydg1JPjM3wEeByRJFC6nHWQ9PKmHtzJ7nxo',
  })
}
