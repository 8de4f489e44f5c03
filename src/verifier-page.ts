// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { readFile } from 'node:fs/promises'

/** The verifier page of this version, as `npm run page` made it. */
export async function readVerifierPage(): Promise<Buffer> {
  return await readFile(new URL('../packages/proof/page/verify.html', import.meta.url))
}
