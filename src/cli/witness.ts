// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { CommandGroup } from './command.ts'
import { askedActions } from './witness/asked.ts'
import { key } from './witness/key.ts'
import { serve } from './witness/serve.ts'

export const witness: CommandGroup = {
  name: 'witness',
  summary: 'Has published heads cosigned by witnesses, and is a witness for others',
  description:
    'A witness cosigns each head of a log after checking that it follows the one before, so that no second history can be shown to others. Whoever has a receipt and a policy needs no word of the server. The first five commands are for the witnesses that this Stele asks; serve and key are for being a witness of other logs.',
  actions: [...askedActions, serve, key],
  examples: [
    { command: "stele witness add glasklar 'VKEY' https://witness.example.com/w1", does: 'asks that one from now on' },
    { command: 'stele witness list', does: 'says what each witness does' },
    { command: 'stele witness policy', does: 'prints what an auditor gives to stele verify --policy' },
    {
      command: "stele witness serve --name witness.example.com/1 --log 'log.example.com+…'",
      does: 'begins a witness of one log',
    },
  ],
}
