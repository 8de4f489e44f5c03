// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { type CommandGroup, defineCommand } from './command.ts'
import { connect, jsonOption, serverOptions } from './connect.ts'
import { jsonLine, printable } from './display.ts'

const confirm = defineCommand({
  name: 'confirm',
  summary: "Confirms a jump of the server's clock, so that ledger time follows the clock again",
  description:
    "When the clock of the server's machine jumps, ledger time goes on without it, and the server says that it is not ready, until somebody has looked. Set the clock right first: ledger time never goes back. The confirmation is recorded.",
  operands: '',
  options: { ...serverOptions, ...jsonOption },
  examples: [{ command: 'stele clock confirm', does: 'confirms, and says what jumped' }],
  run: async ({ options }, environment) => {
    const { stdout } = environment
    const connection = await connect(options, environment)
    const before = await connection.call({ safe: 'Nothing was confirmed' }, (client) => client.status())
    if (before.clockJump === undefined) {
      await stdout.write(
        options.json === true
          ? jsonLine({ confirmed: null })
          : 'The clock has not jumped: there is nothing to confirm.\n',
      )
      return 0
    }
    const words = { safe: 'Nothing was confirmed', unsure: 'Run the command again: it says whether a jump is left' }
    await connection.call(words, (client) => client.confirmClock())
    const { wall, ledger } = before.clockJump
    const said = `Confirmed: the clock jumped to ${printable(wall)} when ledger time was ${printable(ledger)}.\n`
    await stdout.write(options.json === true ? jsonLine({ confirmed: before.clockJump }) : said)
    return 0
  },
})

export const clock: CommandGroup = {
  name: 'clock',
  summary: "Confirms a jump of the server's clock",
  actions: [confirm],
  examples: [{ command: 'stele clock confirm', does: "lets ledger time follow the machine's clock again" }],
}
