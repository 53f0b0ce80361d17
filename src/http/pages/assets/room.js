import { byId } from './dom.js'
import { readBack } from './reading.js'
import { Timeline } from './timeline.js'
import { Visit } from './visit.js'

const home = location.pathname
const timeline = new Timeline(byId('log', HTMLElement).dataset.reader ?? '')

readBack(timeline, home)
// Without it the page shows earlier messages, or its browser is not the one that is signed in.
if (document.getElementById('composer')) new Visit(timeline, home).begin()
