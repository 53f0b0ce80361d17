import { isFileName, isMediaType, MAX_NAME_LENGTH } from './attachment.ts'

/** A name as messages may carry it: without a path, control characters, or characters that change the direction of text. */
export function cleanFileName(name: string): string {
  const base = name.split(/[/\\]/).at(-1)!
  const visible = base
    .toWellFormed()
    .replace(/[\p{Cc}\p{Bidi_Control}]/gu, '')
    .trim()
  const short = Array.from(visible.slice(0, MAX_NAME_LENGTH)).join('').toWellFormed()
  return isFileName(short) ? short : 'file'
}

/** A media type as messages may carry it: without parameters, and `application/octet-stream` where the system knows none. */
export function cleanMediaType(type: string): string {
  const essence = type.split(';')[0]!.trim().toLowerCase()
  return isMediaType(essence) ? essence : 'application/octet-stream'
}
