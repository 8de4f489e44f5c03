// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { CommandGroup } from './command.ts'
import { key } from './witness/key.ts'
import { serve } from './witness/serve.ts'

export const witness: CommandGroup = {
  name: 'witness',
  summary: 'Runs a witness of others’ logs',
  description: 'A witness cosigns what it has seen of a log, so that the log cannot show others something else.',
  actions: [serve, key],
  examples: [
    {
      command: "stele witness serve --name witness.example.com/1 --log 'log.example.com+…'",
      does: 'begins a witness of one log',
    },
    { command: 'stele witness key', does: 'prints its keys' },
  ],
}
