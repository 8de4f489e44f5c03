// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The vectors that lie in the repository can grow old: here third-party code makes them anew and judges them again.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { compare, KINDS, STRICTER } from '../../packages/proof/test/go-vectors.ts'
import { findTool } from '../tools.ts'

const interop = findTool('stele-interop')
const TIMEOUT_MS = 60_000

test(
  'P9: log formats that Go code makes now get its own verdict here, too',
  { skip: interop.skip },
  async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'stele-vectors-'))
    context.after(() => rmSync(folder, { recursive: true }))
    execFileSync(interop.path, ['vectors', folder], { timeout: TIMEOUT_MS, stdio: 'ignore' })
    for (const kind of KINDS) {
      const { count, differences, madeBy } = await compare(folder, kind)
      const kept = await compare(join(import.meta.dirname, '../../packages/proof/test/fixtures/go'), kind)
      assert.deepEqual(
        differences.map(({ name }) => name),
        Object.keys(STRICTER[kind] ?? {}),
      )
      assert.deepEqual({ count, madeBy }, { count: kept.count, madeBy: kept.madeBy })
    }
  },
)
