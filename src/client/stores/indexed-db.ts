import { KeyedLock } from './keyed-lock.ts'
import type { Store, StoredEntry, StoredValue } from './store.ts'

const TABLE = 'values'

/** The part of IndexedDB that the store uses: the client is compiled without the types of browsers. */
interface DatabaseRequest<T> {
  result: T
  error: unknown
  onsuccess: (() => void) | null
  onerror: (() => void) | null
}

interface OpenRequest extends DatabaseRequest<Database> {
  onupgradeneeded: (() => void) | null
}

interface Table {
  get(key: string): DatabaseRequest<StoredValue>
  put(value: StoredValue, key: string): DatabaseRequest<unknown>
  delete(key: string): DatabaseRequest<unknown>
  getAll(range: unknown): DatabaseRequest<StoredValue[]>
  getAllKeys(range: unknown): DatabaseRequest<string[]>
}

interface Transaction {
  objectStore(name: string): Table
  error: unknown
  oncomplete: (() => void) | null
  onabort: (() => void) | null
}

interface Database {
  createObjectStore(name: string): unknown
  transaction(name: string, mode: 'readonly' | 'readwrite', options?: { durability: 'strict' }): Transaction
  close(): void
}

interface BrowserScope {
  indexedDB?: { open(name: string, version: number): OpenRequest }
  IDBKeyRange?: { bound(lower: string, upper: string): unknown }
  navigator?: { locks?: { request<T>(name: string, run: () => Promise<T>): Promise<T> } }
}

/** Whether this environment has IndexedDB. */
export function hasIndexedDb(): boolean {
  return browserScope().indexedDB !== undefined
}

/**
 * Creates a store in IndexedDB, for browsers. All tabs of an origin that use the same name share it; the Web Locks API keeps them
 * from doing the same work twice.
 */
export function indexedDbStore(name = 'parley'): Store {
  const { navigator } = browserScope()
  const own = new KeyedLock()
  const locks = navigator?.locks
  let opened: Promise<Database> | undefined
  const open = () => {
    opened ??= openDatabase(name)
    return opened
  }
  return {
    get: async (key) => read(await open(), (table) => table.get(key)),
    update: async (key, change) => updateValue(await open(), key, change),
    async list(prefix) {
      const range = browserScope().IDBKeyRange?.bound(prefix, `${prefix}\uffff`)
      const database = await open()
      const [keys, values] = await readBoth(database, range)
      return keys.map((key, index): StoredEntry => ({ key, value: values[index] }))
    },
    lock: (lockName, run) =>
      locks ? locks.request(`parley:${name}:${lockName}`, run) : own.run(lockName, run),
    async close() {
      const database = await opened
      database?.close()
      opened = undefined
    },
  }
}

/** The globals of a browser, each of which may be absent. */
function browserScope(): BrowserScope {
  // Compiled without the types of browsers; every member is optional and tested.
  return globalThis as unknown as BrowserScope
}

function openDatabase(name: string): Promise<Database> {
  return new Promise((resolve, reject) => {
    const { indexedDB } = browserScope()
    if (!indexedDB) return reject(new Error('There is no IndexedDB here.'))
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => void request.result.createObjectStore(TABLE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function updateValue(
  database: Database,
  key: string,
  change: (value: StoredValue) => StoredValue,
): Promise<StoredValue> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(TABLE, 'readwrite', { durability: 'strict' })
    const table = transaction.objectStore(TABLE)
    const reading = table.get(key)
    let value: StoredValue
    reading.onsuccess = () => {
      value = change(reading.result)
      if (value === undefined) table.delete(key)
      else table.put(value, key)
    }
    transaction.oncomplete = () => resolve(value)
    transaction.onabort = () => reject(transaction.error)
  })
}

function read<T>(database: Database, ask: (table: Table) => DatabaseRequest<T>): Promise<T> {
  const request = ask(database.transaction(TABLE, 'readonly').objectStore(TABLE))
  return resultOf(request)
}

/** Keys and values of a range, both from one transaction. */
function readBoth(database: Database, range: unknown): Promise<[string[], StoredValue[]]> {
  const table = database.transaction(TABLE, 'readonly').objectStore(TABLE)
  return Promise.all([resultOf(table.getAllKeys(range)), resultOf(table.getAll(range))])
}

function resultOf<T>(request: DatabaseRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
