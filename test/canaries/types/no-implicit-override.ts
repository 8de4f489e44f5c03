// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS4114

export class Refusal extends Error {
  name = 'Refusal'
}
