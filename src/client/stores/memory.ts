import { KeyedLock } from './keyed-lock.ts'
import type { Store, StoredEntry, StoredValue } from './store.ts'

/** Creates a store that forgets everything when the process or page ends. */
export function memoryStore(): Store {
  const values = new Map<string, string>()
  const locks = new KeyedLock()
  const read = (key: string): StoredValue => {
    const text = values.get(key)
    return text === undefined ? undefined : JSON.parse(text)
  }
  return {
    get: async (key) => read(key),
    async update(key, change) {
      const value = change(read(key))
      if (value === undefined) values.delete(key)
      else values.set(key, JSON.stringify(value))
      return value
    },
    async list(prefix) {
      const keys = [...values.keys()].filter((key) => key.startsWith(prefix)).sort()
      return keys.map((key): StoredEntry => ({ key, value: read(key) }))
    },
    lock: (name, run) => locks.run(name, run),
    close: async () => {},
  }
}
