// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The witnesses that a server asks to cosign its published head: `stele witness add|list|remove|quorum|policy`.

import type { Witness, Witnesses } from '@stele/sdk'

import { administering } from '../administering.ts'
import { type Command, defineCommand, type ExitCode } from '../command.ts'
import { connect, jsonOption, serverOptions } from '../connect.ts'
import { count, jsonLine, printable } from '../display.ts'
import type { Environment } from '../environment.ts'
import { usageFailure } from '../failure.ts'

const UNSURE = "Look with 'stele witness list' what the list is now"

const add = defineCommand({
  name: 'add',
  summary: 'Asks a witness to cosign each published head from now on',
  description:
    "The witness's owner gives you its key and its address, and must be given the key of this server's ledger heads ('stele ledger show heads'). Without another --quorum every witness must cosign.",
  operands: 'NAME VKEY URL',
  options: { ...serverOptions, ...jsonOption },
  examples: [
    {
      command: "stele witness add glasklar 'witness.example.com/w1+1a2b3c4d+BH…' https://witness.example.com/w1",
      does: 'adds it under the name glasklar',
    },
  ],
  run: async ({ options, operands }, environment) => {
    const [name, vkey, url, surplus] = operands
    if (name === undefined || vkey === undefined || url === undefined || surplus !== undefined) {
      const mend = "As in: stele witness add glasklar 'VKEY' https://witness.example.com/w1"
      throw usageFailure('witness add needs a NAME, a VKEY and a URL', mend)
    }
    const connection = await connect(options, environment)
    const words = { safe: 'No witness was added', unsure: UNSURE }
    const witness = await connection.call(words, (client) => client.addWitness({ name, vkey, url }))
    const text = `${printable(name)} is asked to cosign each published head. Its owner must know this server's key of heads.\n`
    await environment.stdout.write(options.json === true ? jsonLine(witness) : text)
    return 0
  },
})

const list = defineCommand({
  name: 'list',
  summary: 'Says what the witnesses do, and which head their quorum has cosigned',
  operands: '',
  options: { ...serverOptions, ...jsonOption },
  examples: [{ command: 'stele witness list', does: 'prints each witness, and how far behind the newest head it is' }],
  run: async ({ options }, environment) => {
    const connection = await connect(options, environment)
    const witnesses = await connection.call({ safe: '' }, (client) => client.witnesses())
    return await show(witnesses, options.json === true, environment)
  },
})

const remove = defineCommand({
  name: 'remove',
  summary: 'Asks a witness no more',
  description:
    'What it has cosigned stays. With --data it works on the directory of a stopped server: for when a start is refused because a witness says that it has seen more than is here, and it is the witness that is wrong. That is recorded.',
  operands: 'NAME',
  options: {
    data: { type: 'string', value: 'DIR', help: "works on a stopped server's directory instead of a server" },
    ...serverOptions,
    ...jsonOption,
  },
  examples: [{ command: 'stele witness remove glasklar', does: 'takes it off the list' }],
  run: async ({ options, operands }, environment) => {
    const [name, surplus] = operands
    if (name === undefined || surplus !== undefined) {
      throw usageFailure('witness remove needs one NAME', "'stele witness list' shows the names")
    }
    if (options.data !== undefined) return await removeOnDisk(name, options.data, options.json === true, environment)
    const connection = await connect(options, environment)
    const words = { safe: 'No witness was removed', unsure: UNSURE }
    const left = await connection.call(words, (client) => client.removeWitness(name))
    return await show(left, options.json === true, environment)
  },
})

const quorum = defineCommand({
  name: 'quorum',
  summary: 'Sets how many of the witnesses must cosign a head',
  operands: 'COUNT|all',
  options: { ...serverOptions, ...jsonOption },
  examples: [
    { command: 'stele witness quorum 2', does: 'has it that any two will do' },
    { command: 'stele witness quorum all', does: 'has it that each of them must' },
  ],
  run: async ({ options, operands }, environment) => {
    const [text = '', surplus] = operands
    if (surplus !== undefined || !/^(?:all|[1-9][0-9]?)$/.test(text)) {
      throw usageFailure('witness quorum needs a COUNT, or all', 'As in: stele witness quorum 2')
    }
    const connection = await connect(options, environment)
    const words = { safe: 'The quorum is as it was', unsure: UNSURE }
    const set = text === 'all' ? 'all' : Number(text)
    const witnesses = await connection.call(words, (client) => client.setWitnessQuorum(set))
    return await show(witnesses, options.json === true, environment)
  },
})

const policy = defineCommand({
  name: 'policy',
  summary: 'Prints the policy by which an auditor verifies witnessed receipts',
  description:
    'It is a C2SP tlog-policy: the keys of heads, the witnesses and the quorum. The server says so: an auditor compares each key with what its owner publishes, and keeps the file.',
  operands: '',
  options: { ...serverOptions, ...jsonOption },
  examples: [
    { command: 'stele witness policy > policy.txt', does: 'writes the policy' },
    { command: 'stele verify grant.json grant.tlog-proof --policy policy.txt', does: 'verifies by it' },
  ],
  run: async ({ options }, environment) => {
    const connection = await connect(options, environment)
    const text = await connection.call({ safe: '' }, (client) => client.witnessPolicy())
    // A policy holds no control characters: that was checked.
    await environment.stdout.write(options.json === true ? jsonLine({ policy: text }) : text)
    return 0
  },
})

export const askedActions: readonly Command[] = [add, list, remove, quorum, policy]

async function removeOnDisk(name: string, data: string, isJson: boolean, environment: Environment): Promise<ExitCode> {
  const { LOCAL } = await import('../../state/administration.ts')
  const left = await administering(environment, data, 'No witness was removed', async (administration) => {
    await administration.removeWitness(name, LOCAL)
    return administration.state.witnesses.asked.map((witness) => witness.name)
  })
  const text = `${printable(name)} is asked no more; ${left.length === 1 ? '1 witness' : `${count(left.length)} witnesses`} left.\n`
  await environment.stdout.write(isJson ? jsonLine({ removed: name, left }) : text)
  return 0
}

async function show(witnesses: Witnesses, isJson: boolean, environment: Environment): Promise<ExitCode> {
  const text = isJson ? jsonLine(jsonOf(witnesses)) : `${linesOf(witnesses).join('\n')}\n`
  await environment.stdout.write(text)
  return 0
}

function jsonOf({ witnessed, ...rest }: Witnesses): object {
  if (witnessed === undefined) return rest
  return { ...rest, witnessed: { ...witnessed, root: Buffer.from(witnessed.root).toString('base64') } }
}

function linesOf({ witnesses, quorum: set, needed, published, witnessed, unmetSince }: Witnesses): string[] {
  if (witnesses.length === 0) return ["No witness is asked. 'stele witness add' adds one."]
  const width = Math.max(...witnesses.map(({ name }) => name.length))
  const lines = witnesses.flatMap((witness) => witnessLines(witness, width))
  const which = set === 'all' ? 'all' : `any ${needed}`
  const newest =
    witnessed === undefined
      ? `No head has been cosigned by ${which} of them yet; ${count(published)} heads are published.`
      : `The newest head that ${which} of them have cosigned counts ${count(witnessed.size)} published heads of ${count(published)}.`
  const alarm =
    unmetSince === undefined ? [] : [`Too few have cosigned since ${unmetSince}: look why, in the lines above.`]
  return [...lines, newest, ...alarm]
}

const STATES: Readonly<Record<Witness['state'], string>> = {
  new: 'has not answered yet',
  cosigning: 'cosigns',
  failing: 'does not cosign',
  contradicting: 'CONTRADICTS',
}

function witnessLines({ name, url, state, cosignedAt, reason, contradictions }: Witness, width: number): string[] {
  const last = cosignedAt === undefined ? '' : `, last at ${cosignedAt}`
  const why = reason === undefined ? '' : `: ${reason}`
  const said = contradictions.map(({ at, kind, size, told, evidence }) => {
    const what =
      kind === 'fork' ? `does not accept the head at ${size}` : `has seen ${told ?? 'more'}, and there were ${size}`
    return `${' '.repeat(width)}  since ${at} it ${what}; kept in ${evidence}. Once that is explained, remove it.`
  })
  return [`${name.padEnd(width)}  ${STATES[state]}${last}${why}  ${url}`, ...said].map(printable)
}
