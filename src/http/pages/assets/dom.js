/**
 * An element that the page is sure to have.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  return sure(document.getElementById(id), type)
}

/**
 * The first element inside another that fits, which is sure to be there.
 * @template {Element} T
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(parent, selector, type) {
  return sure(parent.querySelector(selector), type)
}

/**
 * Shows what is wrong, or that nothing is any more.
 * @param {HTMLElement} place
 * @param {string} text
 */
export function tell(place, text) {
  place.textContent = text
  place.hidden = !text
}

/**
 * @template {Element} T
 * @param {Element | null} element
 * @param {new () => T} type
 * @returns {T}
 */
function sure(element, type) {
  if (!(element instanceof type)) throw new Error(`The page lacks a ${type.name}`)
  return element
}
