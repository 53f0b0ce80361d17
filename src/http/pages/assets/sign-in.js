import { byId } from './dom.js'
import { submitAsJson } from './form.js'

submitAsJson(byId('sign-in', HTMLFormElement), () => location.assign(`/whisper/code${location.search}`))
