import { Type } from 'typebox'
import { postMediaFrame, readMediaFrame } from '../domain/room-frames.ts'
import type { Visitor } from '../domain/room-life.ts'
import { type AppError, invalidField } from '../errors.ts'
import type { Services } from '../services.ts'
import { payloadCheck, Uuid } from '../validation.ts'

/** What the frames of a room act on. */
export type RoomServices = Pick<Services, 'rooms' | 'roomLife' | 'media'>

const checkCommand = payloadCheck(Type.Object({ message_type: Type.Enum(['message', 'reply', 'typing']) }))
const name = { client_message_id: Type.Optional(Uuid()) }
const checkTyping = payloadCheck(Type.Object({ message: Type.String() }))
const checkMessage = payloadCheck(Type.Object({ message: Type.String(), ...name }))
const checkReply = payloadCheck(
  Type.Object({ message: Type.String(), previous_message_id: Type.String(), ...name }),
)

/** Does what a text frame of `/ws/chat/<room_id>/` says. @throws AppError for one that is odd, or breaks a rule. */
export async function runTextFrame(
  { rooms, roomLife }: RoomServices,
  visitor: Visitor,
  text: string,
): Promise<void> {
  const { roomId, userId } = visitor
  const command = parse(text)
  switch (checkCommand(command).message_type) {
    case 'message': {
      const { message, client_message_id: clientMessageId } = checkMessage(command)
      await rooms.post(roomId, userId, { text: message, clientMessageId })
      break
    }
    case 'reply': {
      const reply = checkReply(command)
      await rooms.post(roomId, userId, {
        text: reply.message,
        previousMessageId: reply.previous_message_id,
        clientMessageId: reply.client_message_id,
      })
      break
    }
    case 'typing':
      roomLife.type(visitor, checkTyping(command).message === 'typing')
  }
}

/** Does what a binary frame says: a file, alone or as a reply. @throws AppError for one that is odd, or breaks a rule. */
export function runBinaryFrame(services: RoomServices, visitor: Visitor, frame: Uint8Array): Promise<void> {
  return postMediaFrame(services, visitor, readMediaFrame(frame))
}

/** What a failure is told as. */
export function describeFailure({ code, fields, message }: AppError): string {
  if (code !== 'validation_failed') return message
  const sentences = Object.entries(fields ?? {}).map(([field, problems]) => `${field} ${problems.join(', ')}`)
  return `${sentences.join('; ') || message}.`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidField('frame', 'is not JSON')
  }
}
