import { isIP } from 'node:net'

/** Whether an IP address is a loopback address: 127.0.0.0/8 or ::1. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIP(address) !== 0 && /^(::ffff:)?127\./.test(address))
}

/** Whether the host of a URL is `localhost`, a subdomain of it, or a loopback address. */
export function isLoopbackUrl(url: string): boolean {
  if (!URL.canParse(url)) return false
  const name = new URL(url).hostname
  return /^([^.]+\.)*localhost$/.test(name) || isLoopbackAddress(name.replace(/^\[(.*)\]$/, '$1'))
}
