// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { demandClean } from '../sim/run.ts'
import { findTool } from '../tools.ts'

const { skip } = findTool('strace')

test(
  'P1 P2: a real server whose system calls fail, or that is killed at one, loses nothing that it acknowledged',
  { skip },
  async (context) => {
    const said = await demandClean(['../system-calls-main.ts', '--every', '15'])
    assert.match(said, /, 0 lost$/m)
    context.diagnostic(said.trim().split('\n').at(-1) ?? '')
  },
)
