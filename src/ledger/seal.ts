// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The seal: up to which commit the segments hold everything, so that the log before it could be given up. It is the head
 * of the store of segments. It is signed with the key of `heads`, for it stands where the chain of frames began: whoever
 * can write to the directory, but has no key, must not be able to say that less was there, or other than what was.
 */
import { z } from 'zod'
import type { Signer } from './signing.ts'

const count = z.int().nonnegative()
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const headSchema = z.strictObject({ name: z.string(), size: count, root: hash })

const sealSchema = z.strictObject({
  v: z.literal(1),
  originPrefix: z.string(),
  /** Last commit that is sealed, and the hash of its frame: the first WAL file that is kept follows it. */
  commit: count,
  hash,
  /** Newest ledger time by then, Unix milliseconds. */
  lastMs: count,
  /** Size and root of every ledger by then. */
  ledgers: z.array(headSchema),
  /** What `heads` last said of each ledger by then. */
  published: z.array(headSchema),
})

export type Seal = Readonly<z.infer<typeof sealSchema>>

const PURPOSE = 'seal'

/** The seal's JSON on one line and, on another, the signature over it. */
export function sealText(seal: Seal, signer: Signer): Buffer {
  const line = `${JSON.stringify(seal)}\n`
  return Buffer.from(`${line}${signer.seal(PURPOSE, line).toString('base64')}\n`)
}

export interface ReadSeal {
  readonly seal: Seal
  isSignedBy(signer: Pick<Signer, 'isSeal'>): boolean
}

/** The seal, or why it is none. Its text must be exactly what `sealText` writes. */
export function readSeal(bytes: Buffer): ReadSeal | string {
  const text = bytes.toString('latin1')
  const lineEnd = text.indexOf('\n') + 1
  const [line, signature] = [text.slice(0, lineEnd), Buffer.from(text.slice(lineEnd), 'base64')]
  try {
    const seal = sealSchema.parse(JSON.parse(line))
    if (`${JSON.stringify(seal)}\n${signature.toString('base64')}\n` !== text) return 'the seal was changed'
    return { seal, isSignedBy: (signer) => signer.isSeal(PURPOSE, line, signature) }
  } catch {
    return 'the seal cannot be read'
  }
}
