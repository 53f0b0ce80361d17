import { PNG } from 'pngjs'

export { mp3, ogg, wav } from './audio.ts'
export { mp4, voice, webm } from './videos.ts'

/** A PNG image of one color. */
export function png({ width = 16, height = 16, rgb = [204, 51, 51] } = {}): Buffer {
  const image = new PNG({ width, height })
  for (let pixel = 0; pixel < width * height; pixel++) image.data.set([...rgb, 255], pixel * 4)
  return PNG.sync.write(image)
}

/** One black pixel. */
export function gif(): Buffer {
  return Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64')
}

/** One grey pixel. */
export function jpeg(): Buffer {
  return Buffer.concat([
    Buffer.from('ffd8ffe000104a46494600010101004800480000ffdb004300', 'hex'),
    Buffer.alloc(64, 0xff),
    Buffer.from('ffc2000b080001000101011100ffc40014100100000000000000000000000000000000', 'hex'),
    Buffer.from('ffda0008010100013f10ffd9', 'hex'),
  ])
}

/** One pixel, lossless. */
export function webp(): Buffer {
  return Buffer.from('UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==', 'base64')
}

/** Four pixels. */
export function avif(): Buffer {
  return Buffer.from(
    'AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2' +
      'aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAAB0AAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAx' +
      'Q29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAAAIAAAACAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgQ0MAAAAABNjb2xybmNs' +
      'eAACAAIAAYAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAACVtZGF0EgAKCBgANogQEAwgMg8f8D///8WfhwB8+ErK42A=',
    'base64',
  )
}
