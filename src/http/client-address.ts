import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import proxyAddr from '@fastify/proxy-addr'
import { Address6 } from 'ip-address'

/** The parts of a request that the client address is taken from. */
type Addressed = Pick<IncomingMessage, 'headers' | 'socket'>

/** The network address by which the connections of a client are limited; undefined when it must not be used for that. */
export type ClientAddress = (request: IncomingMessage) => string | undefined

/** Returns a function that finds the address of a client as Fastify does, for upgrade requests that Fastify does not handle. */
export function remoteAddresses(trustProxy: string[]): (request: Addressed) => string | undefined {
  const isTrusted = proxyAddr.compile(trustProxy)
  return (request) => {
    // Its type asks for a whole request; it reads the headers and the socket.
    const address = proxyAddr(request as IncomingMessage, isTrusted)
    return isIP(address ?? '') ? address : undefined
  }
}

/**
 * Returns a function that finds the address of a client behind the trusted proxies, as a network address. The result is undefined
 * for an untrusted loopback or private address: it is probably a proxy missing from `TRUST_PROXY`, which all clients share.
 */
export function clientAddresses(trustProxy: string[]): ClientAddress {
  const isTrusted = proxyAddr.compile(trustProxy)
  return (request) => {
    const address = proxyAddr(request, isTrusted)
    if (!isIP(address ?? '') || (isPrivate(address) && !isTrusted(address, 0))) return undefined
    return networkAddress(address)
  }
}

/** The network of an address: an IPv4 address itself, or the /64 prefix of an IPv6 address, all of which one client can use. */
export function networkAddress(ip: string): string {
  if (!isIPv6(ip)) return ip.toLowerCase()
  const address = new Address6(ip)
  if (address.isMapped4()) return address.to4().correctForm()
  return new Address6(`${ip}/64`).startAddress().correctForm()
}

const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const) {
  PRIVATE.addSubnet(network, prefix)
}
PRIVATE.addAddress('::1', 'ipv6')
PRIVATE.addSubnet('fc00::', 7, 'ipv6')
PRIVATE.addSubnet('fe80::', 10, 'ipv6')

/** `BlockList` also matches IPv4-mapped IPv6 addresses. */
function isPrivate(address: string): boolean {
  return PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
