import { send } from './api.js'
import { byId, showText } from './dom.js'

const { room, reader } = byId('members', HTMLElement).dataset
const path = `/api/v1/chat/rooms/${room}/users/`

document.addEventListener('click', async ({ target }) => {
  const button = target instanceof Element && target.closest('button')
  if (!button || button.ariaDisabled === 'true') return
  const { add, remove } = button.dataset
  if (!add && !remove) return
  button.ariaDisabled = 'true'
  const result = add
    ? await send('POST', path, { user_ids: [add] })
    : await send('DELETE', `${path}${remove}/`)
  button.ariaDisabled = 'false'
  if (!result.ok) showText(byId('trouble', HTMLElement), result.problem)
  else if (remove === reader) location.assign('/whisper')
  else location.reload()
})
