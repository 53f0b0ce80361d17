/** The dialect of a site, see `docs/protocol.md`: as documented there, or as clients of the original chat-api expect it. */
export type Contract = 'documented' | 'legacy'
