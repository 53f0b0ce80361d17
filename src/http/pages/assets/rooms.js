import { byId } from './dom.js'
import { whenTaken } from './form.js'

whenTaken(byId('create', HTMLFormElement), ({ body }) => location.assign(`/whisper/rooms/${body.id}/people`))
