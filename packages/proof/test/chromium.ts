// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The system's Chromium for tests. Outside CI a test that needs it is skipped by name where there is none.

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { chromium, type BrowserContext } from 'playwright-core'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const isThere = existsSync(executablePath) || process.env['CI'] === 'true'

/** Why there is no browser to test in, or false. */
export const browserMissing: string | false = isThere ? false : `no browser at ${executablePath}: set CHROMIUM`

/** A name that leads to 127.0.0.1, and that browsers trust no more than any other machine. */
export const FOREIGN_HOST = 'elsewhere.test'

const LAUNCH_ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=MAP ${FOREIGN_HOST} 127.0.0.1`,
]

export interface Browser {
  readonly context: BrowserContext
  close(): Promise<void>
}

/** A browser with a new profile. */
export async function openBrowser(): Promise<Browser> {
  const folder = await mkdtemp(join(tmpdir(), 'stele-proof-browser-'))
  const removeFolder = async () => await rm(folder, { recursive: true, force: true })
  try {
    const context = await chromium.launchPersistentContext(folder, { executablePath, args: LAUNCH_ARGUMENTS })
    return {
      context,
      close: async () => {
        await context.close()
        await removeFolder()
      },
    }
  } catch (error) {
    await removeFolder()
    throw error
  }
}
