// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every rule that is named here has a file under test/canaries/ that breaks it; test/gates.test.ts runs over those.

import { defineConfig, type OxlintOverride } from 'oxlint'

import { folderOf, forbiddenTo, layers } from './scripts/layers.ts'

const elsewhere = 'Only src/platform/ touches the world: take it through a constructor.'

/** Modules through which code reaches the world: src/platform/ wraps them, main.ts wires them. */
const effectImports = [
  ...[
    'child_process',
    'cluster',
    'dgram',
    'dns',
    'dns/promises',
    'fs',
    'fs/promises',
    'http',
    'http2',
    'https',
    'module',
    'net',
    'os',
    'perf_hooks',
    'process',
    'readline',
    'readline/promises',
    'sqlite',
    'timers',
    'timers/promises',
    'tls',
    'worker_threads',
  ].map((name) => ({ name: `node:${name}`, message: elsewhere, allowTypeImports: true })),
  {
    name: 'node:crypto',
    importNames: ['randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID', 'webcrypto'],
    message: elsewhere,
  },
]

const effectGlobals = [
  'Date',
  'EventSource',
  'WebSocket',
  'console',
  'fetch',
  'performance',
  'process',
  'setImmediate',
  'setInterval',
  'setTimeout',
]

const effectProperties = [
  ['AbortSignal', 'timeout'],
  ['Math', 'random'],
  ['crypto', 'getRandomValues'],
  ['crypto', 'randomUUID'],
  ...effectGlobals.map((name) => ['globalThis', name] as const),
] as const

const effectRules: OxlintOverride['rules'] = {
  'no-restricted-globals': ['error', ...effectGlobals.map((name) => ({ name, message: elsewhere }))],
  'no-restricted-properties': [
    'error',
    ...effectProperties.map(([object, property]) => ({ object, property, message: elsewhere })),
  ],
}

/** One override an area: what it may not import, and whether it may touch the world. */
const areas = layers.flat().map((area): OxlintOverride => {
  const effectFree = area !== 'main' && area !== 'platform'
  const message = `${area} may not import this: see scripts/layers.ts.`
  const names = forbiddenTo(area).join('|')
  const patterns = names === '' ? [] : [{ regex: `^(\\.\\./)+(src/)?(${names})/|^@stele/(${names})(/|$)`, message }]
  return {
    files: [area === 'main' ? '**/src/*.ts' : `**/${folderOf(area)}/**`],
    rules: {
      'no-restricted-imports': ['error', { paths: effectFree ? effectImports : [], patterns }],
      ...(effectFree ? effectRules : {}),
    },
  }
})

export default defineConfig({
  plugins: ['eslint', 'typescript', 'unicorn', 'oxc', 'import', 'promise', 'node'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { typeAware: true, reportUnusedDisableDirectives: 'error' },
  ignorePatterns: ['dist', 'test/canaries'],
  rules: {
    // Parsers of foreign bytes name control characters; `reverse` of a fresh array is not a mutation that anybody sees;
    // the compiler already says what the rest would, or they cry wolf.
    'no-control-regex': 'off',
    'import/no-named-as-default-member': 'off',
    'no-shadow': 'off',
    'typescript/consistent-return': 'off',
    'typescript/no-misused-spread': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-array-fill-with-reference-type': 'off',
    'unicorn/no-array-reverse': 'off',
    // A thread's port has no origin: the rule takes it for a window.
    'unicorn/require-post-message-target-origin': 'off',

    eqeqeq: 'error',
    'import/extensions': ['error', 'always', { js: 'never', ignorePackages: true, checkTypeImports: true }],
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'typescript/await-thenable': 'error',
    'typescript/ban-ts-comment': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': [
      'error',
      // The runner waits for what these return.
      {
        allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['describe', 'it', 'suite', 'test'] }],
      },
    ],
    'typescript/no-misused-promises': 'error',
    'typescript/no-unsafe-argument': 'error',
    'typescript/no-unsafe-assignment': 'error',
    'typescript/no-unsafe-call': 'error',
    'typescript/no-unsafe-member-access': 'error',
    'typescript/no-unsafe-return': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/prefer-promise-reject-errors': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'unicorn/filename-case': ['error', { case: 'kebabCase' }],
    'unicorn/prefer-node-protocol': 'error',
  },
  overrides: [
    ...areas,
    { files: ['*.config.ts'], rules: { 'import/no-default-export': 'off' } },
    {
      // A test looks into JSON that it has just made, and its assertions are the check.
      files: ['**/test/*.ts', '**/test/slow/*.ts'],
      rules: {
        'typescript/no-unsafe-argument': 'off',
        'typescript/no-unsafe-assignment': 'off',
        'typescript/no-unsafe-call': 'off',
        'typescript/no-unsafe-member-access': 'off',
        'typescript/no-unsafe-return': 'off',
      },
    },
  ],
})
