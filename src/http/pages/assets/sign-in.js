import { byId } from './dom.js'
import { whenTaken } from './form.js'

whenTaken(byId('sign-in', HTMLFormElement), () => location.assign(`/whisper/code${location.search}`))
