// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Style as a test: what the compiler and the linter cannot say. A rule takes files and returns its complaints, so that
// it runs over the tree and over test/canaries/tidy/, where every rule must complain.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, posix } from 'node:path'
import { test } from 'node:test'

import { areaOf, folderOf, layers, mayImport } from '../scripts/layers.ts'

/** Path from the root, with `/`, to text. */
type Tree = ReadonlyMap<string, string>
type Rule = (tree: Tree) => readonly string[]

const root = join(import.meta.dirname, '..')
const canaryFolder = 'test/canaries/'
const isSource = (path: string): boolean => /\.(?:[cm]?[jt]sx?|sh)$|^bin\/|^\.ci\//.test(path)

const rules: Readonly<Record<string, Rule>> = {
  'imports-down': (tree) =>
    [...tree].flatMap(([path, text]) => {
      const from = areaOf(path)
      if (from === undefined || !/\.[cm]?tsx?$/.test(path)) return []
      if (!layers.flat().includes(from)) return [`${path}: ${from} is not in scripts/layers.ts`]
      return importsOf(text).flatMap((specifier) => {
        if (specifier === undefined) return [`${path}: a dynamic import of something computed`]
        const to = targetArea(path, specifier)
        return to === 'package' || (to !== undefined && mayImport(from, to)) ? [] : [`${path}: imports ${specifier}`]
      })
    }),

  'file-name': (tree) =>
    [...tree.keys()].filter((path) => /^(?:utils?|helpers?|types|.*manager|.*service)\./.test(basename(path))),

  'spdx-header': (tree) =>
    [...tree].flatMap(([path, text]) => {
      if (!isSource(path)) return []
      const lines = text.split('\n', 3).filter((line) => !line.startsWith('#!'))
      const header = lines.slice(0, 2).map((line) => line.replace(/^(?:\/\/|#) /, ''))
      const wanted = ['SPDX-FileCopyrightText: The Stele authors', 'SPDX-License-Identifier: Apache-2.0']
      return header.join() === wanted.join() ? [] : [`${path}: no SPDX header`]
    }),

  'machine-name': (tree) =>
    [...tree].flatMap(([path, text]) => {
      const hosts = /https?:\/\/(?:deb|index|proxy|registry|repo\d*|static|sum)\.[\w.]+|"resolved": "\w+:[^"]*/
      const found = /\/(?:work|root|home\/\w+)\/[\w.]+/.exec(text) ?? hosts.exec(text)
      return found ? [`${path}: names ${found[0]}`] : []
    }),

  unfinished: (tree) =>
    [...tree].flatMap(([path, text]) =>
      isSource(path) && /\b(?:TO[D]O|FIX[M]E)\b/.test(text) ? [`${path}: holds a note to finish it`] : [],
    ),

  'file-length': (tree) =>
    [...tree].flatMap(([path, text]) => {
      const lineCount = text.split('\n').length - 1
      return isSource(path) && lineCount > 400 ? [`${path}: has ${lineCount} lines`] : []
    }),

  'named-paths': (tree) => {
    const known = new Set(
      [...tree.keys()].flatMap((path) => path.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'))),
    )
    return [...tree].flatMap(([path, text]) => {
      if (!path.endsWith('.md')) return []
      const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, to = '']) =>
        posix.join(posix.dirname(path), to),
      )
      const paths = [...text.matchAll(/`((?:src|test|docs|scripts|packages|bench|bin|\.ci)\/[\w./-]*)`/g)].map(
        ([, to = '']) => to,
      )
      return [...links, ...paths]
        .filter((to) => !known.has(to.replace(/\/$/, '')) && !to.startsWith(canaryFolder))
        .map((to) => `${path}: names ${to}`)
    })
  },

  promises: (tree) => {
    const page = tree.get('docs/promises.md') ?? ''
    const rows = new Map(
      [...page.matchAll(/^\| ([PS]\d+) \|.*\| ([^|]*) \|$/gm)].map(([, number = '', shown = '']) => [number, shown]),
    )
    return allPromises.flatMap((number) => {
      const shown = rows.get(number)
      if (shown === undefined) return [`docs/promises.md: ${number} is missing`]
      if (shown === 'not yet') return []
      const named = [...shown.matchAll(/`([^`:]+\.test\.ts): "([^`]+)"`/g)]
      if (named.length === 0) return [`docs/promises.md: ${number} names no test and does not say "not yet"`]
      return named
        .filter(([, path = '', name = '']) => !testNames(tree.get(path) ?? '').has(name))
        .map(([, path, name]) => `docs/promises.md: ${number} names a test that does not exist: ${path}: ${name}`)
    })
  },
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, position) => position + 1)
const allPromises = [...numbers(9).map((number) => `P${number}`), ...numbers(45).map((number) => `S${number}`)]

/** Every module that a file names: imports and re-exports, of types too, and dynamic; undefined for a computed one. */
function importsOf(text: string): readonly (string | undefined)[] {
  const code = text.replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gm, '')
  const declared = code.matchAll(/(?:^|[\n;])\s*(?:import|export)\s(?:[^'"`;()=]*?\sfrom\s*)?(['"])([^'"\n]+)\1/g)
  const dynamic = code.matchAll(/\bimport\s*\(\s*(?:(['"])([^'"\n]+)\1)?/g)
  return [...declared, ...dynamic].map((match) => match[2])
}

/** The area of what is imported, `package` for what comes from outside, undefined for what is of no area. */
function targetArea(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return areaOf(posix.join(posix.dirname(path), specifier))
  return specifier.startsWith('@stele/') ? specifier.split('/')[1] : 'package'
}

function testNames(text: string): ReadonlySet<string> {
  const calls = text.matchAll(/\b(?:test|it)(?:\.\w+)?\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)
  return new Set([...calls].map(([, , name = '']) => name.replaceAll(/\\(.)/g, '$1')))
}

function readTree(): Tree {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  const paths = listed.toString('utf8').split('\0')
  const texts = paths
    .filter((path) => path !== '' && existsSync(join(root, path)))
    .map((path) => [path, readFileSync(join(root, path))] as const)
    .filter(([, bytes]) => !bytes.includes(0))
  return new Map(texts.map(([path, bytes]) => [path, bytes.toString('utf8')]))
}

const everything = readTree()
const tree: Tree = new Map([...everything].filter(([path]) => !path.startsWith(canaryFolder)))

for (const [name, rule] of Object.entries(rules)) {
  test(`the tree keeps the rule ${name}`, () => {
    assert.deepEqual(rule(tree), [])
  })

  test(`the rule ${name} complains about each of its canaries and about nothing else there`, () => {
    const prefix = `${canaryFolder}tidy/${name}/`
    const canaries = new Map(
      [...everything]
        .filter(([path]) => path.startsWith(prefix))
        .map(([path, text]) => [path.slice(prefix.length), text]),
    )
    // Four hundred empty lines need not be kept as a file.
    if (name === 'file-length') canaries.set('src/query/long.ts', `// Must complain${'\n'.repeat(401)}`)
    const expected = [...canaries].flatMap(([path, text]) => {
      const marked = /Must complain(?: (\d+) times)?/.exec(text)
      return marked ? Array.from({ length: Number(marked[1] ?? 1) }, () => path) : []
    })
    assert.ok(expected.length > 0, `there is no canary for ${name}`)
    const complaints = rule(canaries).map((complaint) => complaint.replace(/: .*/, ''))
    assert.deepEqual(complaints.toSorted(), expected.toSorted(), rule(canaries).join('\n'))
  })
}

test('every dependency is written down with its reason, and nothing else is', () => {
  const manifests = [...tree].filter(([path]) => /^(?:packages\/\w+\/)?package\.json$/.test(path))
  const named = manifests.flatMap(([, text]) => {
    const { dependencies, optionalDependencies, devDependencies, peerDependencies } = JSON.parse(text)
    return Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies, ...peerDependencies })
  })
  const rows = (tree.get('docs/dependencies.md') ?? '').matchAll(/^\| (`.*?) \| .+ \| .+ \|$/gm)
  const written = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  const foreign = new Set(named.filter((name) => !name.startsWith('@stele/')))
  assert.deepEqual(new Set(written), foreign)
  assert.deepEqual(JSON.parse(tree.get('packages/proof/package.json') ?? '').dependencies ?? {}, {})
})

/** Names that a lockfile gives as dependency of a package, and of which it has no package: `npm ci` refuses those. */
function missingFromLock(text: string): readonly string[] {
  const { packages } = JSON.parse(text) as {
    packages: Record<string, Partial<Record<'dependencies' | 'optionalDependencies', Record<string, string>>>>
  }
  return Object.entries(packages).flatMap(([place, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => {
        const levels = place
          .split('/node_modules/')
          .map((_, at, parts) => parts.slice(0, at + 1).join('/node_modules/'))
        return ![...levels.map((level) => `${level}/node_modules/${name}`), `node_modules/${name}`].some(
          (at) => packages[at] !== undefined,
        )
      })
      .map((name) => `${place} needs ${name}`),
  )
}

test('the lockfile has every package that it names, of other platforms too, without which npm ci refuses it', () => {
  const lock = tree.get('package-lock.json') ?? ''
  assert.deepEqual(missingFromLock(lock), [])
  const binding = '"node_modules/@rolldown/binding-darwin-arm64"'
  assert.ok(lock.includes(binding))
  assert.deepEqual(missingFromLock(lock.replace(binding, '"node_modules/gone"')), [
    'node_modules/rolldown needs @rolldown/binding-darwin-arm64',
  ])
})

test('every script of package.json is in CONTRIBUTING.md', () => {
  const { scripts } = JSON.parse(tree.get('package.json') ?? '')
  const told = tree.get('CONTRIBUTING.md') ?? ''
  const isTold = (name: string) => [`npm ${name}`, `npm run ${name}`].some((command) => told.includes(command))
  assert.deepEqual(
    Object.keys(scripts).filter((name) => !isTold(name)),
    [],
  )
})

test('every area has a folder, a rank, and may not import what is above it', () => {
  for (const area of layers.flat()) {
    const file = area === 'main' ? 'src/main.ts' : `${folderOf(area)}/some-file.ts`
    assert.equal(areaOf(file), area)
    for (const other of layers.flat()) assert.ok(other === area || !mayImport(area, other) || !mayImport(other, area))
  }
  assert.ok(mayImport('http', 'ledger') && mayImport('ledger', 'proof') && mayImport('cli', 'sdk'))
  assert.ok(!mayImport('http', 'cli') && !mayImport('sources', 'index') && !mayImport('platform', 'schema'))
  assert.ok(!mayImport('http', 'sdk') && mayImport('demo', 'sources') && !mayImport('demo', 'ledger'))
})

test('every route has an audit action', async (context) => {
  const file = join(root, 'src/http/routes.ts')
  if (!existsSync(file)) return context.skip('src/http/routes.ts does not exist yet')
  const { routes } = (await import(file)) as { routes: readonly unknown[] }
  assert.ok(routes.length > 0)
  assert.deepEqual(routes.filter(lacksAudit), [])
})

test('a route without an audit action is found', () => {
  assert.equal(
    [{ method: 'GET', path: '/', permission: 'read' }, { audit: '' }, { audit: 'event.read' }].filter(lacksAudit)
      .length,
    2,
  )
})

function lacksAudit(route: unknown): boolean {
  const audit = typeof route === 'object' && route !== null && 'audit' in route ? route.audit : undefined
  return audit === undefined || audit === null || audit === ''
}
