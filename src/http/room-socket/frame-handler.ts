import type { Participant } from '../../domain/presence/room-presence.ts'
import { AppError } from '../../errors.ts'
import { parseMediaFrame } from '../../input/media-frame.ts'
import { parseRoomCommand, type RoomCommand } from '../../input/room-commands.ts'
import type { Services } from '../../services.ts'
import type { Frame, FrameTask } from './frame-queue.ts'

/** The services that frames use. */
export type RoomServices = Pick<Services, 'rooms' | 'roomPresence'>

interface FrameContext {
  services: RoomServices
  participant: Participant
  /** Maximum size of a text frame. */
  maxTextBytes: number
}

/** Reads the command of a frame. Its task rejects with an AppError for an invalid frame or a broken rule. */
export function readFrame(context: FrameContext, { data, isBinary }: Frame): FrameTask {
  const { services, participant } = context
  const { roomId, userId } = participant
  if (isBinary) {
    return {
      isConcurrent: false,
      run: async () => services.rooms.postFile(roomId, userId, parseMediaFrame(data)),
    }
  }
  try {
    const command = readText(context, data)
    if (command.type === 'post') {
      return {
        isConcurrent: true,
        run: async () => void (await services.rooms.post(roomId, userId, command.post)),
      }
    }
    return {
      isConcurrent: false,
      run: async () => services.roomPresence.setTyping(participant, command.isTyping),
    }
  } catch (error) {
    return { isConcurrent: false, run: () => Promise.reject(error) }
  }
}

/** The error message that a client receives. */
export function describeError({ code, fields, message }: AppError): string {
  if (code !== 'validation_failed') return message
  const sentences = Object.entries(fields ?? {}).map(([field, problems]) => `${field} ${problems.join(', ')}`)
  return `${sentences.join('; ') || message}.`
}

function readText({ maxTextBytes }: FrameContext, data: Buffer): RoomCommand {
  if (data.length > maxTextBytes) throw new AppError('payload_too_large')
  return parseRoomCommand(data.toString())
}
