import { AjvCompiler, type BuildCompilerFromPool } from '@fastify/ajv-compiler'
import {
  type Serializer,
  type SerializerFactory,
  SerializerSelector,
} from '@fastify/fast-json-stringify-compiler'

const buildValidator = AjvCompiler()
const buildSerializer = SerializerSelector()

type Validator = ReturnType<ReturnType<BuildCompilerFromPool>>

/**
 * Fastify's schema compilers, deferred: a schema is compiled when a request first needs it. Compiling all of them would take longer
 * than the rest of the startup.
 */
export function lazyCompilers(): {
  buildValidator: BuildCompilerFromPool
  buildSerializer: SerializerFactory
} {
  return {
    buildValidator(...options) {
      const compile = buildValidator(...options)
      return (route) => lazyValidator(() => compile(route))
    },
    buildSerializer(...options) {
      const compile = buildSerializer(...options)
      return (route) => lazySerializer(() => compile(route))
    },
  }
}

/** Fastify reads the errors of the last validation from the function. */
function lazyValidator(compile: () => Validator): Validator {
  let compiled: Validator | undefined
  const validate = (data: unknown) => {
    compiled ??= compile()
    const result = compiled(data)
    validate.errors = compiled.errors
    return result
  }
  validate.errors = undefined as Validator['errors']
  return validate as Validator
}

function lazySerializer(compile: () => Serializer): Serializer {
  let compiled: Serializer | undefined
  return (data) => {
    compiled ??= compile()
    return compiled(data)
  }
}
