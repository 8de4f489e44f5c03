// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What a golden directory held when it was left: beside it as `facts.json`, with the head that was kept outside. */
export interface GoldenFacts {
  readonly originPrefix: string
  /** Commits that are in segments. */
  readonly sealedCommit: number
  readonly ledgers: readonly {
    readonly name: string
    readonly vkey: string
    readonly size: number
    /** Hex. */
    readonly root: string
    /** Hex SHA-256 of each event, one after the other. */
    readonly events: string
  }[]
  /** Ids of tokens that are not revoked. */
  readonly tokens: readonly string[]
  /** A body that was appended under this Idempotency-Key with this token, and the index it got. */
  readonly keyed: { readonly token: string; readonly key: string; readonly body: string; readonly first: number }
  /** An event of `main` with an id of its source's, and the index it got. */
  readonly repeated: { readonly body: string; readonly first: number }
}
