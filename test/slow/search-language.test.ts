// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The same as beside the other tests, with five times as many random queries.
process.env['RUNS'] ??= '150'
await import('../search-language.test.ts')
