// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Tells an address of contradictions, by POST. Evidence stays marked as untold until an answer of 2xx came, so a restart
// or an outage loses none; the other side may hear of one twice.

import { basename } from 'node:path'

import { readEvidence } from '../../evidence/monitor/evidence-folder.ts'
import type { MonitorState } from '../../evidence/monitor/state.ts'
import type { Disk } from '../../platform/disk.ts'
import { GuardedHttpClient } from '../../platform/http-client.ts'

const TIMEOUT_MS = 20_000

export class Webhook {
  readonly #url: string
  readonly #client = new GuardedHttpClient()

  constructor(url: string) {
    this.#url = url
  }

  /** Posts all evidence of which nobody was told; resolves to why that failed, if it did. */
  async tellOf(state: MonitorState, disk: Disk): Promise<string | undefined> {
    for (const path of await state.untold()) {
      const { about, older, newer } = await readEvidence(disk, path)
      const failure = await this.post({
        type: 'contradiction',
        ...about,
        evidence: basename(path),
        ...(older === undefined ? {} : { older: older.toString('utf8') }),
        ...(newer === undefined ? {} : { newer: newer.toString('utf8') }),
      })
      if (failure !== undefined) return failure
      await state.markTold(path)
    }
    return undefined
  }

  /** Why it was not delivered; undefined where it was. */
  async post(body: object): Promise<string | undefined> {
    try {
      const { status } = await this.#client.request({
        method: 'POST',
        url: this.#url,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body)),
        timeoutMs: TIMEOUT_MS,
        // Named by whoever runs this command, not by a server.
        privateAllowed: true,
      })
      return status >= 200 && status < 300 ? undefined : `it answers with ${status}`
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}
