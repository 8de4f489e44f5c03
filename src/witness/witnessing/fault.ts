// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Why a witness may not start, or go on: what it remembers, its key or its lists are not as they must be. */
export class WitnessFault extends Error {
  override readonly name = 'WitnessFault'
}

type RefusalStatus = 400 | 403 | 404 | 405 | 409 | 413 | 422 | 429 | 503 | 507

/** A request that is not answered with a cosignature, by the status that C2SP tlog-witness gives the reason. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: RefusalStatus
  /** Of a 409: the size of the checkpoint that was cosigned last. */
  readonly cosignedSize?: number
  /** Of a 409: a checkpoint that was cosigned. */
  readonly knownCheckpoint?: Buffer
  readonly retryAfterSeconds?: number

  /** `reason` is for a person, one line; of a 409 with one of these it is not sent. */
  constructor(
    status: RefusalStatus,
    reason: string,
    more: Pick<Refusal, 'cosignedSize' | 'knownCheckpoint' | 'retryAfterSeconds'> = {},
  ) {
    super(reason)
    this.status = status
    if (more.cosignedSize !== undefined) this.cosignedSize = more.cosignedSize
    if (more.knownCheckpoint !== undefined) this.knownCheckpoint = more.knownCheckpoint
    if (more.retryAfterSeconds !== undefined) this.retryAfterSeconds = more.retryAfterSeconds
  }
}
