// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every gate fails on its canaries, with the rule's name, and sees the whole tree. That the tree passes is what
// .ci/run shows: here it would only cost time twice.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { suite, test } from 'node:test'

import lintConfig from '../oxlint.config.ts'

const root = join(import.meta.dirname, '..')
const canaries = 'test/canaries'

interface Outcome {
  readonly exitCode: number
  readonly output: string
}

function run(tool: string, ...args: string[]): Promise<Outcome> {
  const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
  const options = { cwd: root, env: { ...process.env, PATH: path, NO_COLOR: '1', FORCE_COLOR: '0' } }
  return new Promise((resolve) => {
    execFile(join(root, 'node_modules/.bin', tool), args, options, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ exitCode, output: stdout + stderr })
    })
  })
}

/** Source files below a folder, as paths from the root. */
function sourcesOf(folder: string): readonly string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/node_modules|\/dist\//.test(path))
}

/** What a canary says of itself: `Must fail: RULE ×COUNT RULE …`. */
function expectedOf(path: string): ReadonlyMap<string, number> {
  const said = /^\/\/ Must fail: (.+)$/m.exec(readFileSync(join(root, path), 'utf8'))?.[1] ?? ''
  return new Map(
    [...said.matchAll(/([^\s×]+)(?: ×(\d+))?/g)].map(([, rule = '', count = '1']) => [rule, Number(count)]),
  )
}

/** Each report is `path` and `rule`, found by a pattern with those groups. */
function demandReports(folder: string, { exitCode, output }: Outcome, pattern: RegExp): void {
  const reports = [...output.matchAll(pattern)].map((match) => `${match.groups?.['path']} ${match.groups?.['rule']}`)
  const files = sourcesOf(folder).filter((path) => expectedOf(path).size > 0)
  assert.ok(files.length > 0, `${folder} has no canaries`)
  assert.notEqual(exitCode, 0)
  for (const path of files) {
    for (const [rule, count] of expectedOf(path)) {
      const found = reports.filter((report) => report === `${path} ${rule}`).length
      assert.ok(found >= count, `${path}: ${rule} was reported ${found} times, not ${count}`)
    }
  }
}

const tree = ['src', 'test', 'bench', 'scripts', 'packages'].flatMap((folder) =>
  sourcesOf(folder).filter((path) => !path.startsWith(canaries)),
)

suite('gates', { concurrency: 2 }, () => {
  test('the linter reports every rule over its canaries', async () => {
    const outcome = await run('oxlint', '-c', `${canaries}/lint/canary.config.ts`, '-f', 'unix', `${canaries}/lint`)
    demandReports(
      `${canaries}/lint`,
      outcome,
      /^(?<path>[^:]+):.*?(?<rule>(?<=Unused )oxlint-disable|(?<=\[Error\/)[^\]]+)/gm,
    )
  })

  test('every lint rule that is named in the configuration has a canary', () => {
    const covered = new Set(sourcesOf(`${canaries}/lint`).flatMap((path) => [...expectedOf(path).keys()]))
    const named = [lintConfig, ...(lintConfig.overrides ?? [])].flatMap(({ rules }) =>
      Object.entries(rules ?? {}).flatMap(([rule, level]) => (level === 'off' ? [] : [rule])),
    )
    const codes = named.map((rule) => (rule.includes('/') ? rule.replace('/', '(') : `eslint(${rule}`) + ')')
    assert.ok(codes.length > 20)
    assert.deepEqual(
      [...new Set(codes)].filter((code) => !covered.has(code)),
      [],
    )
  })

  test('the linter sees every file', async () => {
    const { output } = await run('oxlint', '--debug=files')
    const seen = new Set(output.split('\n'))
    assert.deepEqual(
      tree.filter((path) => !seen.has(path)),
      [],
    )
  })

  test('the compiler reports every flag over its canaries', async () => {
    for (const folder of [`${canaries}/types`, `${canaries}/package-types`]) {
      const outcome = await run('tsc', '-p', folder)
      demandReports(folder, outcome, /^(?<path>[^(\n]+)\(.*\): error (?<rule>TS\d+):/gm)
    }
  })

  test('every flag of the compiler has a canary and holds in every package', async () => {
    const permissions = ['allowImportingTsExtensions', 'noEmit', 'skipLibCheck']
    const base: unknown = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8'))
    const flags = Object.entries((base as { compilerOptions: Record<string, unknown> }).compilerOptions).flatMap(
      ([flag, value]) => (value === true && !permissions.includes(flag) ? [flag] : []),
    )
    const kebab = (flag: string): string => flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const found = sourcesOf(`${canaries}/types`)
    assert.deepEqual(
      flags.filter((flag) => !found.includes(`${canaries}/types/${kebab(flag)}.ts`)),
      [],
    )
    for (const name of readdirSync(join(root, 'packages'))) {
      const { output } = await run('tsc', '--showConfig', '-p', `packages/${name}`)
      for (const flag of [...flags, 'isolatedDeclarations']) assert.match(output, new RegExp(`"${flag}": true`), name)
      assert.match(output, /"types": \[\]/, `packages/${name} sees no types of Node`)
    }
  })

  test('the compiler sees every file', async () => {
    const projects = ['tsconfig.node.json', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)]
    const listed = await Promise.all(projects.map((project) => run('tsc', '--listFilesOnly', '-p', project)))
    const seen = new Set(listed.flatMap(({ output }) => output.split('\n').map((path) => relative(root, path))))
    assert.deepEqual(
      tree.filter((path) => !seen.has(path)),
      [],
    )
    const { references } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
    assert.deepEqual(new Set(references.map(({ path }: { path: string }) => path)), new Set(projects))
  })

  test('the formatter reports a file in another style', async () => {
    const config = `${canaries}/format/canary.config.ts`
    const outcome = await run('oxfmt', '--list-different', '-c', config, `${canaries}/format`)
    assert.equal(outcome.exitCode, 1)
    assert.match(outcome.output, /semicolons-and-quotes\.ts/)
    assert.doesNotMatch(outcome.output, /canary\.config/)
  })

  test('knip reports unused files, exports, types and dependencies, and undeclared ones', async () => {
    const { exitCode, output } = await run('knip', '--directory', `${canaries}/unused`, '--reporter', 'json')
    assert.equal(exitCode, 1)
    const names = [...output.matchAll(/"name":"([^"]+)"/g)].map(([, name]) => name)
    const expected = ['src/unused.ts', 'undeclared-dependency', 'unused-dependency', 'unusedExport', 'UnusedType']
    assert.deepEqual(new Set(names), new Set(expected))
  })

  test('publint and attw report a package whose entry is missing', async () => {
    const published = await run('publint', '--strict', `${canaries}/package`)
    assert.equal(published.exitCode, 1)
    assert.match(published.output, /missing\.js but the file does not exist/)
    const types = await run('attw', '--pack', `${canaries}/package`, '--profile', 'esm-only', '--format', 'ascii')
    assert.equal(types.exitCode, 1)
    assert.match(types.output, /fallback condition/i)
  })
})
