// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The same as beside the other tests, with many times as many random queries.
process.env['RUNS'] ??= '120'
await import('../search-language.test.ts')
