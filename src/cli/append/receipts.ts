// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Receipts as files, one an event: `LEDGER-INDEX.tlog-proof`.

import { join } from 'node:path'

import type { Environment } from '../environment.ts'
import { fileFailure } from '../failure.ts'

export async function receiptWriter(
  folder: string,
  ledger: string,
  { disk }: Pick<Environment, 'disk'>,
): Promise<(indexes: readonly number[], receipts: readonly string[]) => Promise<void>> {
  const write = async (index: number, receipt: string): Promise<void> => {
    const bytes = Buffer.from(receipt)
    const file = await disk.open(join(folder, `${ledger}-${index}.tlog-proof`), 'write', 0o644)
    try {
      await file.write(bytes, 0)
      await file.truncate(bytes.length)
    } finally {
      await file.close()
    }
  }
  try {
    await disk.makeDirectory(folder, 0o755)
  } catch (error) {
    throw fileFailure(error, folder, 'written', 'Nothing was stored')
  }
  return async (indexes, receipts) => {
    for (const [position, receipt] of receipts.entries()) {
      // Of what another token had appended there is none for who may not read.
      if (receipt === '') continue
      const index = indexes[position]!
      try {
        await write(index, receipt)
      } catch (error) {
        const safe = `The events are stored; 'stele prove ${index}' writes the receipt later`
        throw fileFailure(error, folder, 'written', safe)
      }
    }
  }
}
