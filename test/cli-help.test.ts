// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the commands say of themselves, and what becomes of a command line that is wrong.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { readArguments, suggestion } from '../src/cli/arguments.ts'
import type { Command, CommandGroup } from '../src/cli/command.ts'
import { defineCommand } from '../src/cli/command.ts'
import { commands } from '../src/cli/commands.ts'
import { stele, steleOk } from './cli-fixture.ts'

const folder = join(import.meta.dirname, '../src/cli')

async function everyCommand(): Promise<
  { readonly path: string; readonly command: Command; readonly group?: CommandGroup }[]
> {
  const found = await Promise.all(
    commands.map(async ({ name, load }) => {
      const loaded = await load()
      if (!('actions' in loaded)) return [{ path: name, command: loaded }]
      return loaded.actions.map((command) => ({ path: `${name} ${command.name}`, command, group: loaded }))
    }),
  )
  return found.flat()
}

test('stele alone and stele --help list every command with one line, and three examples', async () => {
  const text = await steleOk({}, '--help')
  assert.equal(await steleOk({}), text)
  assert.equal(await steleOk({}, '-h'), text)
  assert.equal(await steleOk({}, 'help'), text)
  for (const { name, summary } of commands) {
    assert.equal(text.split('\n').filter((line) => line.startsWith(`  ${name} `) && line.endsWith(summary)).length, 1)
  }
  assert.equal(text.split('\nExamples\n')[1]!.split('\n\n')[0]!.split('\n').length, 3)
})

test('--version prints the version', async () => {
  assert.equal(await steleOk({}, '--version'), 'stele 1.2.3-test\n')
})

test('the table of commands says what each command says of itself, and every file of a command is in it', async () => {
  for (const { name, summary, load } of commands) {
    const loaded = await load()
    assert.equal(loaded.name, name)
    assert.equal(loaded.summary, summary)
    assert.ok(existsSync(join(folder, `${name}.ts`)))
  }
})

test('every command and action has a help with usage, options, examples and exit codes, within the width', async () => {
  for (const columns of [60, 80, 200]) {
    for (const { path, command, group } of await everyCommand()) {
      const text = await steleOk({ columns }, ...path.split(' '), '--help')
      for (const part of [`Usage: stele ${path} `, '\nOptions\n', '\nExamples\n', '\nExit codes\n']) {
        assert.ok(text.includes(part), `${path}: ${part}`)
      }
      for (const option of Object.keys(command.options))
        assert.ok(text.includes(`  --${option}`), `${path} --${option}`)
      assert.equal(await steleOk({ columns }, 'help', ...path.split(' ')), text)
      const isExample = (line: string) => /^ {2}(?! ).*\bstele /.test(line)
      const tooLong = text
        .split('\n')
        .filter((line) => line.length > Math.min(columns, 100) && !isExample(line) && !/^ {6}/.test(line))
      assert.deepEqual(tooLong, [], path)
      if (group !== undefined) assert.ok((await steleOk({}, group.name, '--help')).includes(command.summary))
    }
  }
})

test('every example in the help is a command line that is understood', async () => {
  for (const { command: owner, group } of await everyCommand()) {
    for (const { command: line, does } of [...owner.examples, ...(group?.examples ?? [])]) {
      const [, words = ''] = /(?:^|\| )stele (.*?)(?: >.*)?$/.exec(line) ?? []
      const [name = '', ...rest] = words.split(' ').map((word) => word.replaceAll("'", ''))
      const loaded = await commands.find((entry) => entry.name === name)?.load()
      assert.ok(loaded !== undefined, line)
      const command = 'actions' in loaded ? loaded.actions.find((action) => action.name === rest[0]) : loaded
      assert.ok(command !== undefined, line)
      readArguments(name, command, 'actions' in loaded ? rest.slice(1) : rest)
      assert.ok(does.length > 0 && !does.endsWith('.'), line)
    }
  }
})

test('what a command prints as data it prints as JSON too', async () => {
  const printing = (await everyCommand()).filter(({ path }) => path !== 'serve' && path !== 'witness serve')
  assert.deepEqual(
    printing.filter(({ command }) => command.options['json'] === undefined).map(({ path }) => path),
    [],
  )
})

test('an unknown command, action or option is named, with the nearest that there is, and the exit code is 2', async () => {
  const wrong: readonly (readonly [line: string, said: RegExp])[] = [
    ['apend', /^stele: there is no command apend\. Nothing was done\. Did you mean append\?\n$/],
    ['frobnicate', /there is no command frobnicate\. Nothing was done\. 'stele --help' lists the commands\.\n$/],
    ['--vresion', /there is no option --vresion/],
    ['token creat', /token has no action creat\. Nothing was done\. Did you mean create\?/],
    ['token', /token needs an action\. Nothing was done\. The actions are create, list, revoke\./],
    ['append --levger x', /append has no option --levger\. Nothing was done\. Did you mean --ledger\?/],
    ['append -l x', /append has no option -l/],
    ['append --ledger', /--ledger needs a value \(NAME\)/],
    ['append --ledger --json', /--ledger needs a value, and --json looks like an option/],
    ['append --ledger a --ledger b', /--ledger was given twice/],
    ['append --json=yes', /--json takes no value/],
    ['append --toString', /append has no option --toString/],
    ['tail extra', /tail takes no argument extra/],
    ['ledger show', /ledger show needs the NAME of a ledger/],
    ['ledger show a b', /ledger show takes one NAME/],
    ['prove', /prove needs the INDEX/],
    ['prove -- -1', /-1 is not an index/],
    ['token create', /token create needs --scope/],
    ['token create --scope rule', /there is no scope rule/],
    ['token create --scope read --expires soon', /--expires soon is not a time/],
    ['token create --scope read --expires 2001-02-03', /--expires 2001-02-03 has passed/],
    ['token create --scope read --expires 0d', /--expires 0d is not a time/],
    ['tail --from -1', /looks like an option/],
    ['tail --from x', /--from x is not an index/],
    ['append --skip 1e3 x', /--skip 1e3 is not a number/],
    ['append --as xml x', /--as xml is not a form/],
    ['append', /append needs a FILE or a DIR, or - for standard input/],
    ['append --follow a b', /there is no file or folder a/],
    ['serve --listen 80', /--listen 80 is not HOST:PORT/],
    ['serve --listen 127.0.0.1:65536', /is not HOST:PORT/],
    ['serve --tls-cert c', /TLS needs both/],
    ['serve --listen 0.0.0.0:80', /without TLS only this machine may connect/],
    ['serve --listen localhost.example.com:80', /without TLS only this machine may connect/],
    ['tail --url ftp://x', /begins with http/],
    ['tail --url http://u:p@x', /has no user/],
    ['tail --token a\tb', /a token is one word/],
  ]
  for (const [line, said] of wrong) {
    const { code, out, err } = await stele({}, ...line.split(' '))
    assert.match(err, said)
    assert.match(err, /^stele: .*[.?!]\n$/)
    assert.deepEqual({ code, out }, { code: line.startsWith('append --follow') ? 3 : 2, out: '' }, line)
  }
})

test('words of a command line are escaped where they are said again', async () => {
  const { err } = await stele({}, '\u001b[2Jevil\u202e')
  assert.equal(
    err,
    "stele: there is no command \\u{1b}[2Jevil\\u{202e}. Nothing was done. 'stele --help' lists the commands.\n",
  )
})

test('a suggestion is made for a slip of the hand, and for nothing else', () => {
  const known = ['append', 'tail', 'token', 'prove', '--ledger', '--url']
  for (const [word, best] of [
    ['apend', 'append'],
    ['atil', 'tail'],
    ['tokens', 'token'],
    ['app', 'append'],
    ['--ledgre', '--ledger'],
    ['--led', '--ledger'],
  ]) {
    assert.equal(suggestion(word!, known), `Did you mean ${best}?`, word)
  }
  for (const word of ['x', 'search', '--format', '']) assert.equal(suggestion(word, known), undefined, word)
})

test('options keep their types: repeated ones are lists, and what stands behind -- is no option', () => {
  const command = defineCommand({
    name: 'try',
    summary: 'Tries',
    operands: '',
    examples: [],
    options: {
      one: { type: 'string', help: '' },
      many: { type: 'string', multiple: true, help: '' },
      on: { type: 'boolean', help: '' },
    },
    run: async () => 0,
  })
  assert.deepEqual(
    readArguments('try', command, ['a', '--one=-x', '--many', 'p', '--on', '--many=q', '-', '--', '--on']),
    {
      options: { one: '-x', many: ['p', 'q'], on: true },
      operands: ['a', '-', '--on'],
    },
  )
})

test('a fault of Stele itself is said in one line, without a stack trace', async () => {
  const entry = {
    name: 'tail',
    group: 'Record',
    summary: '',
    load: () => Promise.reject(new RangeError('the fault\u001b')),
  } as const
  const { Cli } = await import('./cli-fixture.ts')
  const { run } = await import('../src/cli/run.ts')
  const cli = new Cli()
  assert.equal(await run(['tail'], cli.environment, [entry]), 3)
  assert.equal(
    cli.err,
    'stele: this is a fault of Stele itself: the fault\\u{1b}. Please report it, with the command.\n',
  )
})

test('a reader that goes away ends the command in silence', async () => {
  const { Cli } = await import('./cli-fixture.ts')
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })
  const cli = new Cli({
    environment: { stdout: { isTerminal: false, columns: 80, write: () => Promise.reject(broken) } },
  })
  assert.deepEqual(await cli.run('--help'), { code: 0, out: '', err: '' })
})
