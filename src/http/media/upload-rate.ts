/** Minimum average transfer rate of an upload. The slowest mobile networks are faster. */
export const MIN_UPLOAD_BYTES_PER_SECOND = 2_048
