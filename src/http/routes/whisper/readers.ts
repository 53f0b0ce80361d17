import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'
import type { AppError } from '../../../errors.ts'
import { sendPage } from '../../pages/layout.ts'
import { problemPage } from '../../pages/problem.ts'
import { sendError } from '../../plugins/errors.ts'

/** Has the routes of `app` answer failures as pages to who came with a browser and without a script. */
export function answerReaders(app: FastifyInstance, publicUrl: string): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('vary', [reply.getHeader('vary') ?? [], 'Accept'].flat().join(', '))
  })
  app.setErrorHandler((error, request, reply) => {
    const showPage = ({ message }: AppError) => sendPage(reply, problemPage(message), publicUrl)
    return sendError(error, request, reply, isForReader(request) ? showPage : undefined)
  })
}

/** Whether the answer is for a person, whose browser shows it, and not for a program. */
export function isForReader({ headers }: FastifyRequest): boolean {
  return /\btext\/html\b/i.test(headers.accept ?? '')
}

/** The schema of an answer to programs, which is a page for readers. */
export function eitherWay<Body extends TSchema>(schema: Body, description: string) {
  return { description, content: { 'application/json': { schema }, 'text/html': { schema: Type.String() } } }
}
