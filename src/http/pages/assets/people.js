import { send } from './api.js'
import { byId, tell } from './dom.js'

const { room, reader } = byId('people', HTMLElement).dataset
const path = `/api/v1/chat/rooms/${room}/users/`

document.addEventListener('click', async ({ target }) => {
  const button = target instanceof Element && target.closest('button')
  if (!button || button.ariaDisabled === 'true') return
  const { add, remove } = button.dataset
  if (!add && !remove) return
  button.ariaDisabled = 'true'
  const answer = add
    ? await send('POST', path, { user_ids: [add] })
    : await send('DELETE', `${path}${remove}/`)
  button.ariaDisabled = 'false'
  if (!answer.ok) tell(byId('trouble', HTMLElement), answer.problem)
  else if (remove === reader) location.assign('/whisper')
  else location.reload()
})
