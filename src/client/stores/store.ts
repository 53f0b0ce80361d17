/** A value that a store keeps: anything that JSON can express. */
export type StoredValue = unknown

/** A value in a list. */
export interface StoredEntry {
  key: string
  value: StoredValue
}

/**
 * Where a client keeps its session, its unsent messages and what it knows about others' keys. All tabs or objects that use one
 * store are one device.
 */
export interface Store {
  /** The value of a key; undefined if there is none. */
  get(key: string): Promise<StoredValue>
  /**
   * Replaces the value of a key by what `change` returns for it; undefined removes it. Atomic also across tabs, and durable when
   * the promise resolves.
   * @returns the new value.
   */
  update(key: string, change: (value: StoredValue) => StoredValue): Promise<StoredValue>
  /** The values of all keys with a prefix, ordered by key. */
  list(prefix: string): Promise<StoredEntry[]>
  /** Runs a function while nobody else who uses the store runs one under the same name. */
  lock<T>(name: string, run: () => Promise<T>): Promise<T>
  /** Ends the use of the store. */
  close(): Promise<void>
}

/** A store in which every key has a prefix. Closing it does nothing. */
export function scopedStore(store: Store, prefix: string): Store {
  return {
    get: (key) => store.get(prefix + key),
    update: (key, change) => store.update(prefix + key, change),
    async list(start) {
      const entries = await store.list(prefix + start)
      return entries.map(({ key, value }) => ({ key: key.slice(prefix.length), value }))
    },
    lock: (name, run) => store.lock(prefix + name, run),
    close: async () => {},
  }
}
