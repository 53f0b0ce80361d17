import { type Content, type Html, html } from './html.ts'

/** A text field of a form. */
export interface Field {
  /** The name of the field in the request body and in the errors of the response. */
  name: string
  label: string
  hint?: Content
  type?: 'text' | 'email' | 'password'
  autocomplete?: string
  inputmode?: 'numeric'
  maxlength?: number
  optional?: boolean
  /** Whether the field holds a code, which is shown in a monospaced font. */
  isCode?: boolean
}

/** A form that the script of its page submits, or the browser if scripts are off. */
export interface Form {
  id: string
  action: string
  fields: Field[]
  button: string
}

/** A form with elements for its errors: one for the whole form, and one for each field. */
export function form({ id, action, fields, button }: Form): Html {
  return html`<form id="${id}" method="post" action="${action}">
<p class="alert" role="alert" hidden></p>
${fields.map(field)}
<button class="primary" type="submit">${button}</button>
</form>`
}

/** The progress through a list of steps. @param current counts from 1. */
export function steps(names: readonly string[], current: number): Html {
  const items = names.map((name, index) => {
    const step = index + 1
    if (step === current) return html`<li aria-current="step">${name}</li>`
    return html`<li class="${step < current && 'done'}">${name}</li>`
  })
  return html`<ol class="steps" aria-label="Steps">${items}</ol>`
}

function field(one: Field): Html {
  const { name, label, hint, type = 'text', autocomplete, inputmode, maxlength, optional, isCode } = one
  const described = [hint && `${name}-hint`, `${name}-problem`].filter(Boolean).join(' ')
  return html`<div class="field">
<label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${type}" aria-describedby="${described}"${[
    autocomplete && html` autocomplete="${autocomplete}"`,
    inputmode && html` inputmode="${inputmode}"`,
    maxlength && html` maxlength="${maxlength}"`,
    isCode && html` class="code" autocapitalize="none" spellcheck="false"`,
    !optional && html` required`,
  ]}>
${hint && html`<p class="hint" id="${name}-hint">${hint}</p>`}
<p class="problem" id="${name}-problem" hidden></p>
</div>`
}
