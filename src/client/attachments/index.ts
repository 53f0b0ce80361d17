export { FileDownload } from './download.ts'
export { uploadFile, uploadFiles } from './upload.ts'
