/** The part of XMLHttpRequest that phoenix.js uses for long polling. */
export class FakeXhr {
  timeout = 0
  readyState = 0
  responseText = ''
  onerror: (() => void) | undefined
  ontimeout: (() => void) | undefined
  onreadystatechange: (() => void) | undefined
  readonly #abort = new AbortController()
  readonly #headers: Record<string, string> = {}
  #method = 'GET'
  #url = ''

  open(method: string, url: string): void {
    this.#method = method
    this.#url = url
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers[name] = value
  }

  send(body: string | ArrayBuffer | null): void {
    void this.#run(body)
  }

  abort(): void {
    this.#abort.abort()
  }

  async #run(body: string | ArrayBuffer | null): Promise<void> {
    try {
      const response = await fetch(this.#url, {
        method: this.#method,
        headers: this.#headers,
        signal: this.#abort.signal,
        ...(body !== null && { body }),
      })
      this.responseText = await response.text()
      this.readyState = 4
      this.onreadystatechange?.()
    } catch {
      if (!this.#abort.signal.aborted) this.onerror?.()
    }
  }
}
