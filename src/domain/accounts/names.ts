/** The problem of a user's name that others could mistake for another one; undefined if it is valid. Expects a trimmed name of valid length. */
export function nameProblem(name: string): string | undefined {
  const letters = withoutEmoji(name)
  if (INVISIBLE.test(letters)) return INVISIBLE_MESSAGE
  return isOfOneScript(letters) ? undefined : MIXED_SCRIPTS_MESSAGE
}

/** The problem of a title, whose words may be in different scripts; undefined if it is valid. */
export function titleProblem(title: string): string | undefined {
  const letters = withoutEmoji(title)
  if (INVISIBLE.test(letters)) return INVISIBLE_MESSAGE
  return letters.split(' ').every(isOfOneScript) ? undefined : MIXED_SCRIPTS_MESSAGE
}

/** Whether a name looks like an email address: an `@`, also fullwidth, with text on both sides. */
export function looksLikeEmail(name: string): boolean {
  return /\S@\S/.test(name.normalize('NFKC'))
}

const INVISIBLE_MESSAGE = 'has invisible characters'
const MIXED_SCRIPTS_MESSAGE = 'mixes letters of several scripts that look alike'

/**
 * Control, format and unassigned characters, and whitespace other than the space and the ideographic space. Includes ZWNJ, as in
 * UTS #39; Persian text is readable without it.
 */
const INVISIBLE = /[\p{C}\p{Default_Ignorable_Code_Point}\u2800]|(?![ \u3000])\p{Z}/u

/** Joiners and variation selectors are allowed within a known emoji (UTS #51). */
// biome-ignore lint/complexity/useRegexLiterals: the compiler's target does not know the flag yet, Node does.
const EMOJI = new RegExp('\\p{RGI_Emoji}', 'gv')

/** Letters of the Common script that look like those of another, such as mathematical alphabets. */
const DISGUISED = /(?=\p{L})\p{Script=Common}/gu

/** UTS #39, section 5.2, "highly restrictive": scripts that are written together and do not look alike. */
const SCRIPT_SETS = ['Latin Han Hiragana Katakana', 'Latin Han Bopomofo', 'Latin Han Hangul']

/** Scripts in modern use: UAX #31, tables 5 and 7. */
const SCRIPTS = `Adlam Arabic Armenian Balinese Bamum Batak Bengali Canadian_Aboriginal Chakma Cham Cherokee Cyrillic Devanagari
  Ethiopic Georgian Greek Gujarati Gurmukhi Hanifi_Rohingya Hebrew Javanese Kannada Kayah_Li Khmer Lao Lepcha Limbu Lisu Malayalam
  Mandaic Meetei_Mayek Miao Mongolian Myanmar New_Tai_Lue Newa Nko Nyiakeng_Puachue_Hmong Ol_Chiki Oriya Osage Saurashtra Sinhala
  Sundanese Syloti_Nagri Syriac Tai_Le Tai_Tham Tai_Viet Tamil Telugu Thaana Thai Tibetan Tifinagh Vai Wancho Yi`

const WRITABLE = [...SCRIPT_SETS, ...SCRIPTS.split(/\s+/)]

/** Patterns by their scripts. Each is compiled when a name first needs it, since compiling all of them at the start would delay it. */
const patterns = new Map<string, RegExp>()

function isWrittenIn(scripts: string, text: string): boolean {
  const pattern = patterns.get(scripts) ?? textIn(scripts)
  patterns.set(scripts, pattern)
  return pattern.test(text)
}

/** Matches text in these scripts, and characters that belong to all. */
function textIn(scripts: string): RegExp {
  const classes = ['Common', 'Inherited', ...scripts.split(' ')].map(
    (script) => `\\p{Script_Extensions=${script}}`,
  )
  return new RegExp(`^[${classes.join('')}]*$`, 'u')
}

function isOfOneScript(text: string): boolean {
  const isDisguised = text.match(DISGUISED)?.some((letter) => letter.normalize('NFKC') !== letter)
  return !isDisguised && WRITABLE.some((scripts) => isWrittenIn(scripts, text))
}

function withoutEmoji(text: string): string {
  return text.replaceAll(EMOJI, '')
}
