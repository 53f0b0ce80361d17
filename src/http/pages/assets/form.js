import { send } from './api.js'
import { find, tell } from './dom.js'

/** @typedef {import('./api.js').Answer} Answer */

/**
 * Sends a form as JSON when it is submitted; what is wrong is told next to the field it is about.
 * @param {HTMLFormElement} form
 * @param {(answer: Answer, body: Record<string, string>) => void} done what happens when it was taken
 */
export function whenTaken(form, done) {
  form.noValidate = true
  const button = find(form, 'button[type=submit]', HTMLButtonElement)
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (button.ariaDisabled === 'true') return
    clear(form)
    if (showInvalid(form)) return
    button.ariaDisabled = 'true'
    const body = bodyOf(form)
    const answer = await send('POST', form.action, body)
    button.ariaDisabled = 'false'
    if (answer.ok) done(answer, body)
    else show(form, answer)
  })
}

/**
 * Shows what is wrong with a form, and puts the cursor where it can be mended.
 * @param {HTMLFormElement} form
 * @param {Answer} answer
 */
export function show(form, { problem, fields }) {
  const known = inputs(form).filter((input) => fields[input.name])
  for (const input of known) complain(input, sentence(input, fields[input.name] ?? []))
  const rest = Object.entries(fields).filter(([name]) => !known.some((input) => input.name === name))
  const others = rest.map(([name, messages]) => `${name} ${messages.join(', ')}.`)
  if (!known.length || others.length) tell(alertOf(form), [problem, ...others].join(' '))
  const first = known[0] ?? inputs(form)[0]
  first?.focus()
  first?.select()
}

/** @param {HTMLFormElement} form */
function clear(form) {
  tell(alertOf(form), '')
  for (const input of inputs(form)) complain(input, '')
}

/**
 * What the browser sees at once needs no server. @returns whether there is anything.
 * @param {HTMLFormElement} form
 */
function showInvalid(form) {
  const wrong = inputs(form).filter((input) => !input.validity.valid)
  for (const input of wrong) {
    complain(input, input.validity.valueMissing ? `${labelOf(input)} is missing.` : input.validationMessage)
  }
  wrong[0]?.focus()
  return wrong.length > 0
}

/**
 * @param {HTMLInputElement} input
 * @param {string} problem
 */
function complain(input, problem) {
  if (problem) input.setAttribute('aria-invalid', 'true')
  else input.removeAttribute('aria-invalid')
  const place = document.getElementById(`${input.name}-problem`)
  if (place) tell(place, problem)
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
 * Fields left empty are not sent.
 * @param {HTMLFormElement} form
 */
function bodyOf(form) {
  const filled = inputs(form).map(({ name, value }) => [name, value.trim()])
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
