// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Asks a witness to cosign a head (C2SP tlog-witness, `add-checkpoint`). Nothing that it answers is believed but a
 * signature that was checked here; whatever is not as the document says is no cosignature.
 */
import { hash } from 'node:crypto'
import { formatNote, parseNote, ProofError, toBase64, type Verifier } from '@stele/proof'
import type { GuardedHttpClient, HttpAnswer } from '../platform/http-client.ts'
import { cosignatureOf, type HeadCosignature, isOf } from '../state/cosigned-head.ts'

const TIMEOUT_MS = 10_000
/** Signatures by a hundred ML-DSA keys do not fill it. */
const MAX_ANSWER_BYTES = 512 * 1024
const MAX_PROOF_LINES = 63
const SHOWN_CHARS = 200

/** The head that is to be cosigned, and the proof that it follows what the witness has seen. */
export interface Submission {
  /** The size that the witness has seen last; 0 where that is not known. */
  readonly old: number
  readonly proof: readonly Uint8Array[]
  /** The signed note. */
  readonly note: Uint8Array
}

/** `fork`: the witness says that the head does not follow what it has seen. */
export type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly cosignature: HeadCosignature }
  | { readonly kind: 'has'; readonly size: number; readonly status: number; readonly body: Buffer }
  | { readonly kind: 'fork'; readonly status: number; readonly body: Buffer }
  | { readonly kind: 'failed'; readonly reason: string }

export interface WitnessClientOptions {
  readonly http: Pick<GuardedHttpClient, 'request'>
  /** The operator lets witnesses be at addresses that are not public. */
  readonly privateAllowed: boolean
}

export class WitnessClient {
  readonly #options: WitnessClientOptions

  constructor(options: WitnessClientOptions) {
    this.#options = options
  }

  /** Never rejects: a witness that cannot be asked has failed. */
  async addCheckpoint(
    url: string,
    verifier: Verifier,
    submission: Submission,
    signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ): Promise<WitnessAnswer> {
    const body = Buffer.from(submissionText(submission))
    try {
      const answer = await this.#request('POST', `${url}/add-checkpoint`, timeoutMs, signal, body)
      return await judge(answer, submission, verifier)
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
    }
  }

  /** The checkpoint of a log that a witness shows to whoever asks; undefined where it does not. Not checked. */
  async latest(url: string, origin: string, signal: AbortSignal, timeoutMs = TIMEOUT_MS): Promise<Buffer | undefined> {
    try {
      const path = `${url}/${hash('sha256', origin)}/checkpoint`
      const { status, body } = await this.#request('GET', path, timeoutMs, signal)
      return status === 200 ? body : undefined
    } catch {
      return undefined
    }
  }

  async #request(
    method: 'GET' | 'POST',
    url: string,
    timeoutMs: number,
    signal: AbortSignal,
    body?: Buffer,
  ): Promise<HttpAnswer> {
    const { http, privateAllowed } = this.#options
    const sent = body === undefined ? {} : { body, headers: { 'content-type': 'text/plain; charset=utf-8' } }
    return await http.request({ method, url, ...sent, timeoutMs, signal, maxBytes: MAX_ANSWER_BYTES, privateAllowed })
  }
}

/** The body of `add-checkpoint`. */
export function submissionText({ old, proof, note }: Submission): string {
  if (proof.length > MAX_PROOF_LINES) throw new Error(`a proof has ${proof.length} hashes`)
  return [`old ${old}`, ...proof.map(toBase64), '', Buffer.from(note).toString('utf8')].join('\n')
}

async function judge({ status, body }: HttpAnswer, { note }: Submission, verifier: Verifier): Promise<WitnessAnswer> {
  if (status === 200) return await cosigned(body, note, verifier)
  if (status === 409) {
    // Real witnesses differ: omniwitness sends an empty body for a fork of the same size.
    const [, digits] = /^(0|[1-9][0-9]{0,15})\n?$/.exec(body.toString('latin1')) ?? []
    const size = Number(digits)
    if (digits !== undefined && Number.isSafeInteger(size)) return { kind: 'has', size, status, body }
    return { kind: 'fork', status, body }
  }
  if (status === 422) return { kind: 'fork', status, body }
  const meaning = status === 404 ? ': it does not know this log' : status === 403 ? ': it does not know our key' : ''
  return { kind: 'failed', reason: `it answered ${status}${meaning}${shown(body)}` }
}

/** Lines by other keys than the one that was asked for say nothing. */
async function cosigned(body: Buffer, note: Uint8Array, verifier: Verifier): Promise<WitnessAnswer> {
  try {
    const { text, textBytes } = parseNote(note)
    const { signatures } = parseNote(Buffer.from(formatNote(text, [body.toString('utf8')])))
    const own = signatures.filter((signature) => isOf(verifier, signature))
    if (own.length === 0) return { kind: 'failed', reason: `it answered without a signature by ${verifier.name}` }
    for (const signature of own) {
      const cosignature = await cosignatureOf(textBytes, signature, verifier)
      if (cosignature !== undefined) return { kind: 'cosigned', cosignature }
    }
    return { kind: 'failed', reason: `its signature does not belong to the head that it was asked to cosign` }
  } catch (error) {
    if (error instanceof ProofError) return { kind: 'failed', reason: `its answer cannot be read: ${error.message}` }
    throw error
  }
}

/** The first words of an answer, for people; what they are printed through makes them harmless. */
function shown(body: Buffer): string {
  const text = body.toString('utf8').slice(0, SHOWN_CHARS).split('\n')[0] ?? ''
  return text === '' ? '' : ` (${text})`
}
