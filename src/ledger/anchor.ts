// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The anchor: how far the derived files (tree levels, places) are known to be written, so that a start reads the WAL
 * from there and not from its beginning. Derived itself: roots are recomputed from the tree files and compared with
 * it, and where anything disagrees all is derived again from the WAL. It is signed, because whoever can change it and
 * the tree files, but has no key, must not get another root signed.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Signer } from './signing.ts'

const index = z.int().nonnegative()
const hash = z.string().regex(/^[0-9a-f]{64}$/)

const anchorSchema = z.strictObject({
  v: z.literal(2),
  originPrefix: z.string(),
  /** First commit of the WAL file that the position counts in. */
  file: index,
  position: index,
  /** Last commit before the position, and the hash of its frame. */
  commit: index,
  hash,
  /** Newest ledger time given, Unix milliseconds. */
  lastMs: index,
  /** All WAL files before `file` that were not given up: first commit and length. */
  files: z.array(z.strictObject({ firstCommit: index, sizeBytes: index })),
  /** `places` counts all that there ever were; those from `placesFrom`, and leaf hashes from `leavesFrom` on, are kept. */
  ledgers: z.array(
    z.strictObject({ name: z.string(), size: index, root: hash, places: index, placesFrom: index, leavesFrom: index }),
  ),
  /** What `heads` last said of each ledger. */
  published: z.array(z.strictObject({ name: z.string(), size: index, root: hash })),
  /** How many ids and keys of each ledger's entries before `size` are written; absent in older anchors. */
  recent: z
    .strictObject({
      seeds: z.tuple([index, index]),
      ledgers: z.array(z.strictObject({ name: z.string(), size: index, ids: index, keys: index })),
    })
    .optional(),
})

export type Anchor = z.infer<typeof anchorSchema>
export type RecentMark = NonNullable<Anchor['recent']>

export function anchorPath(directory: string): string {
  return join(directory, 'derived', 'anchor.json')
}

const PURPOSE = 'anchor'

/** The file is the anchor's JSON on one line and, on another, a signature over it by the key of `heads`. */
export async function writeAnchor(disk: Disk, directory: string, anchor: Anchor, signer: Signer): Promise<void> {
  const line = `${JSON.stringify(anchor)}\n`
  const signature = signer.seal(PURPOSE, line).toString('base64')
  await replaceFile(disk, anchorPath(directory), Buffer.from(`${line}${signature}\n`))
}

export interface ReadAnchor {
  readonly anchor: Anchor
  isSignedBy(signer: Pick<Signer, 'isSeal'>): boolean
}

/** The anchor, or why there is none that could be used. Its text must be exactly what `writeAnchor` writes. */
export async function readAnchor(disk: Disk, directory: string): Promise<ReadAnchor | string> {
  const bytes = await disk.readFile(anchorPath(directory))
  if (bytes === undefined) return 'there is no anchor'
  const text = bytes.toString('latin1')
  const lineEnd = text.indexOf('\n') + 1
  const [line, signature] = [text.slice(0, lineEnd), Buffer.from(text.slice(lineEnd), 'base64')]
  try {
    const anchor = anchorSchema.parse(JSON.parse(line))
    if (`${JSON.stringify(anchor)}\n${signature.toString('base64')}\n` !== text) return 'the anchor was changed'
    return { anchor, isSignedBy: (signer) => signer.isSeal(PURPOSE, line, signature) }
  } catch {
    return 'the anchor cannot be read'
  }
}
