// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Who may import whom (docs/architecture.md). The lint configuration and test/tidy.test.ts both read this table.

/** From the top down: an area imports from lower rows only, so peers never see each other. */
export const layers: readonly (readonly string[])[] = [
  ['main'],
  ['cli', 'http'],
  ['backup', 'demo'],
  ['access', 'detection', 'evidence', 'forward', 'index', 'retention', 'sources', 'witness'],
  ['query'],
  ['state'],
  ['ledger'],
  ['platform', 'schema', 'proof', 'sdk'],
]

/** Areas that may import less than what is below them, or what lies beside them. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  demo: ['sources', 'schema'],
  sdk: ['proof'],
}

const areas = layers.flat()

/** `src/ledger/wal/frame.ts` is of `ledger`, `src/main.ts` of `main`, `packages/sdk/src/…` of `sdk`; else undefined. */
export function areaOf(path: string): string | undefined {
  const [top, second, third] = path.split('/')
  if (top === 'packages') return third === 'src' || third === 'folder' ? second : undefined
  if (top !== 'src') return undefined
  return third === undefined ? 'main' : second
}

export function folderOf(area: string): string {
  return area === 'proof' || area === 'sdk' ? `packages/${area}/src` : `src/${area}`
}

export function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  const exception = exceptions[from]
  if (exception) return exception.includes(to)
  // The SDK is for clients: the server does not call itself over HTTP.
  if (to === 'sdk') return from === 'cli' || from === 'main'
  const fromRow = layers.findIndex((row) => row.includes(from))
  const toRow = layers.findIndex((row) => row.includes(to))
  return fromRow !== -1 && toRow > fromRow
}

export function forbiddenTo(from: string): readonly string[] {
  return areas.filter((area) => !mayImport(from, area))
}
