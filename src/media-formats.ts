/** What a media message can be. */
export const MEDIA_FORMATS = ['image', 'audio', 'video'] as const
export type MediaFormat = (typeof MEDIA_FORMATS)[number]
