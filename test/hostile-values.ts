// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Values where none like them are expected; as JSON, since a literal cannot have every key. */
export const hostile: readonly string[] = [
  ...String.raw`null true 0 -1 1e308 1e20 1.5 9007199254740993 "" "x" [] {} [[]] [null] "0" "NaN" "false"`.split(' '),
  ...String.raw`"\ud800" "\u0000\n" "\u2028" "[1]" "{\"a\":[null]}" "\"x\"" "[::1" "999.1.1.1" "::ffff:1.2.3.4"`.split(
    ' ',
  ),
  ...String.raw`"2026-02-30T00:00:00Z" "0001-01-01T00:00:00Z"`.split(' '),
  '" "',
  '{"__proto__":{"user":1},"constructor":{},"toString":1,"hasOwnProperty":null,"length":-1}',
  '[{"__proto__":[]},5,null,"x",{"displayName":{"a":1},"id":[]}]',
  '{"id":{},"name":[],"displayName":7}',
  '['.repeat(55) + ']'.repeat(55),
  '{"a":'.repeat(55) + '1' + '}'.repeat(55),
  JSON.stringify('['.repeat(20_000) + ']'.repeat(20_000)),
  JSON.stringify(Array.from({ length: 500 }, (_, position) => ({ id: String(position), displayName: 'x', key: 'k' }))),
  JSON.stringify('ü'.repeat(20_000)),
]
