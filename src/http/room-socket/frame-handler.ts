import type { Participant } from '../../domain/presence/room-presence.ts'
import { AppError } from '../../errors.ts'
import { parseMediaFrame } from '../../input/media-frame.ts'
import { parseRoomCommand } from '../../input/room-commands.ts'
import type { Services } from '../../services.ts'

/** The services that frames use. */
export type RoomServices = Pick<Services, 'rooms' | 'roomPresence'>

/** One WebSocket message. */
export interface Frame {
  data: Buffer
  isBinary: boolean
}

interface FrameContext {
  services: RoomServices
  participant: Participant
  /** Maximum size of a text frame. */
  maxTextBytes: number
}

/** Executes the command of a frame. @throws AppError for an invalid frame or a broken rule. */
export async function handleFrame(context: FrameContext, { data, isBinary }: Frame): Promise<void> {
  if (!isBinary) return handleText(context, data)
  const { services, participant } = context
  await services.rooms.postFile(participant.roomId, participant.userId, parseMediaFrame(data))
}

/** The error message that a client receives. */
export function describeError({ code, fields, message }: AppError): string {
  if (code !== 'validation_failed') return message
  const sentences = Object.entries(fields ?? {}).map(([field, problems]) => `${field} ${problems.join(', ')}`)
  return `${sentences.join('; ') || message}.`
}

async function handleText(
  { services, participant, maxTextBytes }: FrameContext,
  data: Buffer,
): Promise<void> {
  if (data.length > maxTextBytes) throw new AppError('payload_too_large')
  const command = parseRoomCommand(data.toString())
  if (command.type === 'post') await services.rooms.post(participant.roomId, participant.userId, command.post)
  else services.roomPresence.setTyping(participant, command.isTyping)
}
