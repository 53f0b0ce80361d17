import { type Static, Type } from 'typebox'
import { invalidField } from '../errors.ts'
import { cutHeavyParts } from '../protocol/json-weight.ts'
import { MessageCommand, ReplyCommand, TypingCommand } from '../schemas/events/room.ts'
import { payloadCheck } from './validation.ts'

/** A text message to send to a room. */
export interface TextPost {
  text: string
  previousMessageId?: string | undefined
  clientMessageId?: string | undefined
}

/** The command in a text frame of `/ws/chat/<room_id>/`. */
export type RoomCommand = { type: 'post'; post: TextPost } | { type: 'typing'; isTyping: boolean }

const checkType = payloadCheck(Type.Object({ message_type: Type.Enum(['message', 'reply', 'typing']) }))
const checkMessage = payloadCheck(MessageCommand)
const checkReply = payloadCheck(ReplyCommand)
const checkTyping = payloadCheck(TypingCommand)

/** Parses a text frame: the payload of a command, and its name as `message_type`. @throws AppError `validation_failed` */
export function parseRoomCommand(frame: string): RoomCommand {
  const command = parseJson(frame)
  switch (checkType(command).message_type) {
    case 'message':
      return { type: 'post', post: messagePostOf(checkMessage(command)) }
    case 'reply':
      return { type: 'post', post: replyPostOf(checkReply(command)) }
    case 'typing':
      return { type: 'typing', isTyping: isTyping(checkTyping(command)) }
  }
}

export function messagePostOf(command: Static<typeof MessageCommand>): TextPost {
  return { text: command.message, clientMessageId: command.client_message_id }
}

export function replyPostOf(command: Static<typeof ReplyCommand>): TextPost {
  return { ...messagePostOf(command), previousMessageId: command.previous_message_id }
}

export function isTyping({ message }: Static<typeof TypingCommand>): boolean {
  return message === 'typing'
}

function parseJson(text: string): unknown {
  const light = cutHeavyParts(text)
  if (!light || light.isCut) throw invalidField('frame', 'has too many values, or is nested too deeply')
  try {
    return JSON.parse(text)
  } catch {
    throw invalidField('frame', 'is not JSON')
  }
}
