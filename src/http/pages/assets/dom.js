/**
 * The element with an id. @throws when the page has none of that type.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  return requireType(document.getElementById(id), type)
}

/**
 * The first descendant that matches a selector. @throws when there is none of that type.
 * @template {Element} T
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(parent, selector, type) {
  return requireType(parent.querySelector(selector), type)
}

/**
 * Shows a text in an element. Hides the element if the text is empty.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function showText(element, text) {
  element.textContent = text
  element.hidden = !text
}

/**
 * @template {Element} T
 * @param {Element | null} element
 * @param {new () => T} type
 * @returns {T}
 */
function requireType(element, type) {
  if (!(element instanceof type)) throw new Error(`The page lacks a ${type.name}`)
  return element
}
