import { byId } from './dom.js'
import { RoomClient } from './room-client.js'
import { enableScrollback } from './scrollback.js'
import { Timeline } from './timeline.js'

const home = location.pathname
const timeline = new Timeline(byId('log', HTMLElement).dataset.reader ?? '')

enableScrollback(timeline, home)
// Absent on pages of earlier messages, and when the page was requested with an access token.
if (document.getElementById('composer')) new RoomClient(timeline, home).start()
