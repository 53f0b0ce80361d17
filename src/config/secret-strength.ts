/** Minimum entropy. A random secret of 32 hexadecimal or decimal digits has more. The estimate is low for short secrets. */
const MIN_BITS = 64
const MIN_BITS_PER_CHARACTER = 2

/** Shorter repetitions also occur in random secrets. */
const MIN_REPETITION_LENGTH = 4

/** Words that people use in secrets. Each counts as one character. */
const COMMON_WORDS = [
  ...['placeholder', 'development', 'production', 'encryption', 'qwertyuiop', '1234567890', 'asdfghjkl'],
  ...[
    'something',
    'anything',
    'password',
    'changeme',
    'security',
    'iloveyou',
    'example',
    'default',
    'private',
  ],
  ...[
    'whisper',
    'letmein',
    'welcome',
    'replace',
    'zxcvbnm',
    'another',
    'enough',
    'parley',
    'secret',
    'qwerty',
  ],
  ...['random', 'please', 'change', 'string', 'insert', 'server', 'dragon', 'monkey', 'master', 'shadow'],
  ...['should', 'hello', 'world', 'admin', 'login', 'local', 'super', 'token', 'value', 'vault', 'signs'],
  ...['test', 'base', 'pass', 'this', 'that', 'here', 'your', 'very', 'long', 'safe', 'user', 'root', 'only'],
  ...['must', 'with', 'chat', 'key', 'the', 'and', 'for', 'not'],
]

/** Whether a secret has little entropy: repetitions, sequences such as `abcde`, or common words. */
export function isGuessable(secret: string): boolean {
  const bits = entropyOf(withoutRepetitions(withoutSequences(withoutWords(secret))))
  return bits < Math.min(MIN_BITS, MIN_BITS_PER_CHARACTER * secret.length)
}

function withoutWords(secret: string): string {
  // Each word is replaced by a code point of the private use area.
  return COMMON_WORDS.reduce(
    (text, word, index) => text.replaceAll(new RegExp(word, 'gi'), String.fromCharCode(0xe000 + 2 * index)),
    secret,
  )
}

/** Removes characters that continue a sequence, such as `cde` in `abcde`. */
function withoutSequences(text: string): string {
  const step = (index: number) => text.charCodeAt(index) - text.charCodeAt(index - 1)
  return [...text]
    .filter((_, index) => index < 2 || Math.abs(step(index)) > 1 || step(index) !== step(index - 1))
    .join('')
}

/** Replaces each part that occurred before by its first character. */
function withoutRepetitions(text: string): string {
  let novel = ''
  for (let index = 0; index < text.length; ) {
    novel += text[index]
    const length = repeatedLength(text, index)
    index += length < MIN_REPETITION_LENGTH ? 1 : length
  }
  return novel
}

/** The length of the longest part at `index` that also occurs before it. */
function repeatedLength(text: string, index: number): number {
  let longest = 0
  for (let start = 0; start < index; start++) {
    let length = 0
    while (index + length < text.length && text[start + length] === text[index + length]) length++
    longest = Math.max(longest, length)
  }
  return longest
}

/** The Shannon entropy of the character frequencies, in bits. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  return [...counts.values()].reduce((bits, count) => bits - count * Math.log2(count / text.length), 0)
}
