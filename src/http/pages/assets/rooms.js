import { byId } from './dom.js'
import { submitAsJson } from './form.js'

submitAsJson(byId('create', HTMLFormElement), ({ body }) =>
  location.assign(`/whisper/rooms/${body.id}/people`),
)
