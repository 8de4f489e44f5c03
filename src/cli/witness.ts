// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { CommandGroup } from './command.ts'
import { askedActions } from './witness/asked.ts'

export const witness: CommandGroup = {
  name: 'witness',
  summary: 'Adds, lists and removes the witnesses of the published head',
  description:
    'A witness cosigns each published head after checking that it follows the one before, so that no second history can be shown to others. Whoever has a receipt and a policy needs no word of this server.',
  actions: askedActions,
  examples: [
    { command: "stele witness add glasklar 'VKEY' https://witness.example.com/w1", does: 'asks that one from now on' },
    { command: 'stele witness list', does: 'says what each witness does' },
    { command: 'stele witness policy', does: 'prints what an auditor gives to stele verify --policy' },
  ],
}
