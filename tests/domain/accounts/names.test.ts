import { describe, expect, it } from 'vitest'
import { nameProblem, titleProblem } from '../../../src/domain/accounts/names.ts'

const UNSEEN = 'has invisible characters'
const MIXED = 'mixes letters of several scripts that look alike'

describe('the name of a person', () => {
  it.each([
    'Ann Other',
    'Zoë O’Brien-Łukasz 3',
    'Jose\u0301',
    'Şükrü İnan',
    'Анна',
    'Ωμέγα',
    'علي ٣',
    'נועה',
    'नमस्ते',
    'ᎠᏂᏯ',
    '山田 Taro カナ ひらがな',
    '김 Kim 金',
    'ㄅㄆ 李 Li',
    '山田\u3000太郎',
    'Ann 👩🏽‍🚀 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ 🇪🇺',
  ])('may be %s', (name) => {
    expect(nameProblem(name)).toBeUndefined()
  })

  it.each([
    ['a zero-width space', 'Ann\u200bOther'],
    ['a joiner outside emoji', 'Ann\u200dOther'],
    ['a soft hyphen', 'Ann\u00adOther'],
    ['an override of direction', 'Ann\u202eOther'],
    ['an isolate', 'Ann\u2066Other'],
    ['a variation selector outside emoji', 'An\ufe0fn'],
    ['a tag', 'Ann\u{e0041}'],
    ['a filler', '\u3164\u3164\u3164'],
    ['blank Braille', '\u2800\u2800\u2800'],
    ['a hair space', 'Ann\u200aOther'],
    ['a line separator', 'Ann\u2028Other'],
    ['a control', 'Ann\u0085Other'],
    ['a private character', 'Ann\ue000'],
    ['an unassigned character', 'Ann\u{e0fff}'],
  ])('has no %s', (_what, name) => {
    expect(nameProblem(name)).toBe(UNSEEN)
  })

  it.each([
    ['Cyrillic in Latin', 'p\u0430ypal'],
    ['a Cyrillic word beside a Latin one', 'Ann Оther'],
    ['Greek in Latin', 'b\u03bfss'],
    ['Cherokee in Latin', '\u13aann'],
    ['Katakana with Bopomofo', 'カㄅ'],
    ['Arabic digits in Latin', 'Ann ٣'],
    ['a mathematical alphabet', 'b𝗈ss'],
    ['a script that nobody writes any more', '𐌰𐌱𐌲'],
  ])('has no %s', (_what, name) => {
    expect(nameProblem(name)).toBe(MIXED)
  })
})

describe('the name of a room', () => {
  it('may have words in different scripts', () => {
    expect(titleProblem('Русский chat 日本')).toBeUndefined()
  })

  it('has no word of letters that look like those of another script, and nothing invisible', () => {
    expect(titleProblem('The C\u04bbamber')).toBe(MIXED)
    expect(titleProblem('Cham\u200bber')).toBe(UNSEEN)
  })
})
