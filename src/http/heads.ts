// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The head of each ledger as answers write it, made once a size: appends that share a commit share its signature. */
import type { Ledgers } from '../ledger/ledgers.ts'

interface Head {
  readonly size: number
  readonly vkey: string
  readonly unsigned: string
  signed?: string
}

export class Heads {
  readonly #ledgers: Ledgers
  readonly #heads = new Map<string, Head>()

  constructor(ledgers: Ledgers) {
    this.#ledgers = ledgers
  }

  /** `"size":…,"root":"…"` of the durable size as it is now, and the signed checkpoint of that size if it is wanted. */
  json(ledger: string, isSigned: boolean): string {
    const head = this.#head(ledger)
    if (!isSigned) return head.unsigned
    return (head.signed ??= `${head.unsigned},"checkpoint":${asciiJson(this.#ledgers.checkpoint(ledger))}`)
  }

  #head(ledger: string): Head {
    const { size, root } = this.#ledgers.log(ledger)
    const known = this.#heads.get(ledger)
    const vkey = this.#ledgers.vkey(ledger)
    if (known?.size === size && known.vkey === vkey) return known
    const head = { size, vkey, unsigned: `"size":${size},"root":"${Buffer.from(root).toString('base64')}"` }
    this.#heads.set(ledger, head)
    return head
  }
}

/**
 * An answer in ASCII is written faster: the note's dash is escaped. Without the way through bytes the string would go on
 * with two of them a character, and every answer with it.
 */
function asciiJson(text: string): string {
  return Buffer.from(JSON.stringify(text).replaceAll('\u2014', '\\u2014'), 'latin1').toString('latin1')
}
