// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Entries that were appended together differ in size and digest alone. So once the strict parser has read one of them,
 * another is in its one serialisation exactly if it is the same line around its own size and digest: one comparison,
 * a tenth of the parser's cost.
 */

interface Form {
  readonly head: string
  readonly middle: string
  readonly tail: string
  readonly time: string
}

/** Sources that are mixed in one batch; more than these are parsed. */
const MAX_FORMS = 8

export class EntryForms {
  readonly #forms: Form[] = []

  /** The time of an entry that is one of the known forms around this size and digest; else undefined. */
  timeOf(line: string, sizeBytes: number, digest: string): string | undefined {
    for (const { head, middle, tail, time } of this.#forms) {
      if (line.startsWith(head) && line === head + sizeBytes + middle + digest + tail) return time
    }
    return undefined
  }

  /** Keeps the form of an entry that the strict parser has read and that commits to its content. */
  learn(line: string, sizeBytes: number, digest: string, time: string): void {
    // No value before the size can hold a quote, so the first match is the key itself.
    const sizeKey = ',"size":'
    const sizeAt = line.indexOf(sizeKey) + sizeKey.length
    const middleAt = sizeAt + String(sizeBytes).length
    const digestAt = line.indexOf(digest, middleAt)
    const form = {
      head: line.slice(0, sizeAt),
      middle: line.slice(middleAt, digestAt),
      tail: line.slice(digestAt + digest.length),
      time,
    }
    this.#forms.unshift(form)
    if (this.#forms.length > MAX_FORMS) this.#forms.pop()
  }
}
