import { send } from './api.js'
import { find, showText } from './dom.js'

/** @typedef {import('./api.js').Result} Result */

/**
 * Submits a form as JSON, and shows errors next to their fields.
 * @param {HTMLFormElement} form
 * @param {(result: Result, body: Record<string, string>) => void} done called after success
 */
export function submitAsJson(form, done) {
  form.noValidate = true
  const button = find(form, 'button[type=submit]', HTMLButtonElement)
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (button.ariaDisabled === 'true') return
    clearErrors(form)
    if (showInvalid(form)) return
    button.ariaDisabled = 'true'
    const body = bodyOf(form)
    const result = await send('POST', form.action, body)
    button.ariaDisabled = 'false'
    if (result.ok) done(result, body)
    else showErrors(form, result)
  })
}

/**
 * Shows the errors of a form, and focuses the first invalid field.
 * @param {HTMLFormElement} form
 * @param {Result} result
 */
function showErrors(form, { problem, fields }) {
  const known = inputs(form).filter((input) => fields[input.name])
  for (const input of known) setError(input, sentence(input, fields[input.name] ?? []))
  const rest = Object.entries(fields).filter(([name]) => !known.some((input) => input.name === name))
  const others = rest.map(([name, messages]) => `${name} ${messages.join(', ')}.`)
  // The message of the server names the first field already.
  showText(alertOf(form), (known.length ? others : [problem, ...others.slice(1)]).join(' '))
  const first = known[0] ?? inputs(form)[0]
  first?.focus()
  first?.select()
}

/** @param {HTMLFormElement} form */
function clearErrors(form) {
  showText(alertOf(form), '')
  for (const input of inputs(form)) setError(input, '')
}

/**
 * Shows the errors that the browser itself finds. @returns whether there are any.
 * @param {HTMLFormElement} form
 */
function showInvalid(form) {
  const wrong = inputs(form).filter((input) => !input.validity.valid)
  for (const input of wrong) {
    setError(input, input.validity.valueMissing ? `${labelOf(input)} is missing.` : input.validationMessage)
  }
  wrong[0]?.focus()
  return wrong.length > 0
}

/**
 * @param {HTMLInputElement} input
 * @param {string} problem
 */
function setError(input, problem) {
  if (problem) input.setAttribute('aria-invalid', 'true')
  else input.removeAttribute('aria-invalid')
  const element = document.getElementById(`${input.name}-problem`)
  if (element) showText(element, problem)
}

/**
 * @param {HTMLInputElement} input
 * @param {string[]} messages
 */
function sentence(input, messages) {
  return messages.map((message) => `${labelOf(input)} ${message}.`).join(' ')
}

/** @param {HTMLInputElement} input */
function labelOf({ labels }) {
  return (labels?.[0]?.textContent ?? '').replace(/ \(.*\)$/, '')
}

/**
 * The values of the fields, without empty ones.
 * @param {HTMLFormElement} form
 */
function bodyOf(form) {
  const filled = inputs(form).map(({ name, type, value }) => [
    name,
    type === 'password' ? value : value.trim(),
  ])
  return Object.fromEntries(filled.filter(([, value]) => value))
}

/** @param {HTMLFormElement} form */
function inputs(form) {
  return [...form.querySelectorAll('input')].filter(({ name }) => name)
}

/** @param {HTMLFormElement} form */
function alertOf(form) {
  return find(form, '[role=alert]', HTMLElement)
}
