// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(no-unsafe-argument) typescript(no-unsafe-assignment) typescript(no-unsafe-call) typescript(no-unsafe-member-access) typescript(no-unsafe-return)

const parsed = JSON.parse('{}')
parsed.run()
Number.isInteger(Number.parseInt(parsed, 10))

export const leak = (): string => parsed
