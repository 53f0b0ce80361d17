// What is not used at the start of every application is loaded when it is first needed: together, because each further part would split what all share.
export { FileDownload } from './attachments/download.ts'
export { uploadFile, uploadFiles } from './attachments/upload.ts'
export { createKeys, relockKeys, resetKeys, rotateKeys } from './encryption/key-set.ts'
export { unlockKeys } from './encryption/locked-keys.ts'
export { generateRecoveryKey } from './encryption/recovery-key.ts'
export { formatSafetyNumber, qrText, safetyNumber } from './encryption/safety-number.ts'
export { makeConversationKeys, originalCopies, readOriginal } from './messages/original-client.ts'
export { Room } from './rooms/room.ts'
