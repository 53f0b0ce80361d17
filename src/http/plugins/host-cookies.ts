/** The name of a cookie, over HTTPS with the `__Host-` prefix: only this host can set it, over HTTPS (RFC 6265bis, section 4.1.3.2). */
export function hostCookieName(name: string, publicUrl: string): string {
  return publicUrl.startsWith('https:') ? `__Host-${name}` : name
}
