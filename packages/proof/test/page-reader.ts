// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A reader of the verifier page: opens it, gives it files, and reads what it says.

import { readFile } from 'node:fs/promises'

import type { Page } from 'playwright-core'

export const PAGE: URL = new URL('../page/verify.html', import.meta.url)

const EXAMPLES = new URL('../examples/fixtures/', import.meta.url)

export interface GivenFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface Given {
  readonly event?: GivenFile
  readonly receipt?: GivenFile
  readonly trust?: string
}

export async function example(name: string): Promise<GivenFile> {
  return { name, bytes: await readFile(new URL(name, EXAMPLES)) }
}

/** An event, its receipt and the key of its log, which verify. */
export async function examples(): Promise<Required<Given>> {
  const [event, receipt, key] = await Promise.all(['event.json', 'event.tlog-proof', 'log.vkey'].map(example))
  return { event: event!, receipt: receipt!, trust: Buffer.from(key!.bytes).toString() }
}

/** Opens the page anew, gives it what there is to give, and answers what a person reads. */
export async function readPage(page: Page, given: Given, address: string = PAGE.href): Promise<string> {
  await page.goto(address)
  for (const slot of ['event', 'receipt'] as const) {
    const file = given[slot]
    if (file === undefined) continue
    const { name, bytes } = file
    await page.setInputFiles(`#${slot}-file`, { name, mimeType: '', buffer: Buffer.from(bytes) })
  }
  if (given.trust !== undefined) await page.fill('#trust', given.trust)
  return await settled(page)
}

/** What the page says once it has done its work. */
export async function settled(page: Page): Promise<string> {
  await page.locator('#verdict[aria-busy=false]').waitFor()
  return await page.locator('#verdict').innerText()
}

/** Drops files, all at once, on the first element that `selector` names. */
export async function drop(page: Page, selector: string, files: readonly GivenFile[]): Promise<void> {
  const parts = files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') }))
  await page.evaluate(`{
    const dataTransfer = new DataTransfer()
    for (const { name, base64 } of ${JSON.stringify(parts)}) {
      dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0))], name))
    }
    const options = { dataTransfer, bubbles: true, cancelable: true }
    document.querySelector(${JSON.stringify(selector)}).dispatchEvent(new DragEvent('drop', options))
  }`)
}
