// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele verify --url URL`: downloads what a server serves, ledger by ledger, and holds it against what is remembered.

import { formatVkey, type KeyPeriod, parseVkey, type Policy, verifyRotations } from '@stele/proof'
import type { LedgerInfo } from '@stele/sdk'

import { findingsText, firstBadWords, objectionWords } from '../../evidence/directory-words.ts'
import { HeadsContent } from '../../evidence/heads-content.ts'
import type { KnownLog, KnownLogs } from '../../evidence/known-logs.ts'
import { policyFault, Signatures } from '../../evidence/signatures.ts'
import { type ServedReport, verifyServedLedger } from '../../evidence/verify-server.ts'
import { Progress } from '../append/progress.ts'
import type { ExitCode } from '../command.ts'
import { type Connection, connect } from '../connect.ts'
import { count, jsonLine, printable, wrapped } from '../display.ts'
import type { Environment } from '../environment.ts'
import { Failure } from '../failure.ts'
import { NOTHING_SHOWN, type VerifyOptions } from './options.ts'
import { ServedBySdk } from './served-by-sdk.ts'

/** A report and, where heads contradict each other, where both are kept. */
type Verified = ServedReport & { readonly evidence?: string }

export async function verifyServerCommand(
  url: string,
  options: VerifyOptions,
  environment: Environment,
): Promise<ExitCode> {
  const { stdout, stderr, clock } = environment
  const connection = await connect(
    { url, ...(options.token === undefined ? {} : { token: options.token }) },
    environment,
  )
  const infos = await ledgersOf(connection, options)
  const amount = { events: 0, readBytes: 0, totalBytes: undefined }
  const progress = new Progress(stderr, clock, () => amount)
  const run = new ServerRun(connection, options, infos, (readBytes) => {
    amount.readBytes += readBytes
  })
  const reports: Verified[] = []
  try {
    let before = 0
    for (const info of infos) {
      const report = await run.verify(info, (doneCount) => (amount.events = before + doneCount))
      before += report.size
      reports.push(report)
    }
  } finally {
    await progress.end()
  }
  if (options.isJson) await stdout.write(jsonLine({ url, ledgers: reports }))
  else await stdout.write(reportsText(reports, options.withContent, stdout.columns))
  return reports.some(({ verdict }) => verdict === 'changed') ? 1 : 0
}

/** `heads` first: what its events say is held against the others. */
async function ledgersOf(connection: Connection, options: VerifyOptions): Promise<LedgerInfo[]> {
  const words = { safe: NOTHING_SHOWN }
  const { ledger } = options
  const infos =
    ledger === undefined
      ? await connection.call(words, (client) => client.ledgers())
      : [await connection.call(words, (client) => client.ledger(ledger))]
  demandTrusted(infos, options, connection.url)
  return infos.toSorted((a, b) => Number(b.name === 'heads') - Number(a.name === 'heads'))
}

/** A key of none of these ledgers shows nothing of them, neither good nor bad. */
function demandTrusted(infos: readonly LedgerInfo[], { vkey, policy }: VerifyOptions, url: string): void {
  const trusted = vkey === undefined ? policy?.logs.map(({ key }) => key.name) : [parseVkey(vkey).name]
  if (trusted === undefined || infos.some(({ origin }) => trusted.includes(origin))) return
  const what = vkey === undefined ? 'the policy is of' : 'the key that you gave is of'
  const there = infos.map(({ origin }) => origin)
  throw new Failure(
    2,
    printable(`${what} ${trusted.join(', ')}, and what ${url} serves is ${there.join(', ')}`),
    NOTHING_SHOWN,
    'Give the key of a ledger that is served there, or another --url or --ledger',
  )
}

class ServerRun {
  readonly #connection: Connection
  readonly #options: VerifyOptions
  readonly #onBytes: (bytes: number) => void
  readonly #signatures = new Signatures()
  readonly #heads: HeadsContent

  constructor(
    connection: Connection,
    options: VerifyOptions,
    infos: readonly LedgerInfo[],
    onBytes: (bytes: number) => void,
  ) {
    this.#connection = connection
    this.#options = options
    this.#onBytes = onBytes
    const vkeyOf = (origin: string) => infos.find((info) => info.origin === origin)?.vkeys[0]
    this.#heads = new HeadsContent(this.#signatures, vkeyOf, async (origin) => await this.#periodsOf(infos, origin))
  }

  async verify(info: LedgerInfo, onProgress: (doneCount: number) => void): Promise<Verified> {
    const { knownLogs, withContent, policy } = this.#options
    const { origin, name, vkeys } = info
    const known = await knownLogs.find(origin)
    const given = this.#givenKey(origin)
    const objection = given === undefined ? undefined : await this.#objection(info, known, given)
    if (objection !== undefined) throw new Failure(1, printable(objection), NOTHING_SHOWN)
    const isHeads = name === 'heads'
    const report = await verifyServedLedger({
      ledger: new ServedBySdk(this.#connection, name, vkeys[0] ?? '', this.#onBytes),
      ...(given === undefined ? {} : { pinnedVkey: given }),
      known,
      published: this.#heads.of(origin),
      // Reading them is an act of its own: asked for by --content, and needed to know what was published.
      withContent,
      signatures: this.#signatures,
      onProgress,
      ...(isHeads ? { onEvent: async (event: Uint8Array) => await this.#heads.add(event) } : {}),
    })
    const objected = policy === undefined ? undefined : await policyObjection(report, policy)
    return await this.#remember(objected ?? report, knownLogs)
  }

  /** A key that is given may be one before or after the one that is remembered. */
  async #objection(info: LedgerInfo, known: KnownLog | undefined, given: string): Promise<string | undefined> {
    const { knownLogs } = this.#options
    const objection = knownLogs.keyObjection(known, given)
    if (objection === undefined || known === undefined) return objection
    const periods = await this.#periodsOf([info], info.origin)
    const isLedTo = (vkey: string) => periods.some((period) => period.vkey === vkey)
    return isLedTo(given) && isLedTo(known.vkey) ? undefined : objection
  }

  /** As the server tells it: signed from each key to the next, and the last one is held against what is trusted. */
  async #periodsOf(infos: readonly LedgerInfo[], origin: string): Promise<readonly KeyPeriod[]> {
    const info = infos.find((some) => some.origin === origin)
    if (info === undefined) return []
    const { keys, rotations } = await this.#connection.call({ safe: NOTHING_SHOWN }, (client) => client.keys(info.name))
    return await verifyRotations(keys[0]!.vkey, rotations)
  }

  #givenKey(origin: string): string | undefined {
    const { vkey, policy } = this.#options
    if (vkey !== undefined) return vkey.startsWith(`${origin}+`) ? vkey : undefined
    const log = policy?.logs.find(({ key }) => key.name === origin)
    return log === undefined ? undefined : formatVkey(origin, log.key.alg, log.key.publicKey)
  }

  /** What was verified is remembered; heads that contradict each other are kept, for they convict the log. */
  async #remember(report: ServedReport, knownLogs: KnownLogs): Promise<Verified> {
    const { origin, vkey, mldsaVkey, retired, head, key, verdict, contradicting } = report
    if (origin === undefined || head === undefined) return report
    if (contradicting.length > 0) return { ...report, evidence: await knownLogs.keepEvidence(origin, contradicting) }
    const keys = { vkey, ...(mldsaVkey === undefined ? {} : { mldsaVkey }), retired }
    if (verdict !== 'changed') await knownLogs.remember({ origin, ...keys, pinned: key === 'pinned', head })
    return report
  }
}

async function policyObjection(report: ServedReport, policy: Policy): Promise<ServedReport | undefined> {
  const { head, origin } = report
  const isListed = policy.logs.some(({ key }) => key.name === origin)
  const fault =
    head === undefined || !isListed ? undefined : await policyFault(Buffer.from(head), followed(policy, report))
  if (fault === undefined) return undefined
  const finding = { kind: 'key' as const, what: `the head does not satisfy the policy: ${fault}` }
  return {
    ...report,
    verdict: 'changed',
    findings: [...report.findings, finding],
    findingCount: report.findingCount + 1,
  }
}

/** The policy with the key that followed the one in it. */
function followed(policy: Policy, { origin, vkey, retired }: ServedReport): Policy {
  if (retired.length === 0) return policy
  const logs = policy.logs.map((log) => (log.key.name === origin ? { ...log, key: parseVkey(vkey) } : log))
  return { ...policy, logs }
}

function reportsText(reports: readonly Verified[], withContent: boolean, columns: number): string {
  const paragraphs = [...(['unchanged', 'signed', 'self-consistent'] as const)]
    .map((verdict) => reports.filter((report) => report.verdict === verdict && report.size > 0))
    .filter((some) => some.length > 0)
    .map((some) => verdictWords(some))
  const lines = paragraphs.flatMap((paragraph) => [...wrapped(paragraph, columns), ''])
  for (const report of reports.filter(({ verdict }) => verdict === 'changed')) {
    lines.push(...changedLines(report, columns), '')
  }
  if (!withContent) {
    const words =
      'Entries and trees were verified, not the events: --content reads those, too, and the server records it.'
    lines.push(...wrapped(words, columns), '')
  }
  lines.push(...ledgerTable(reports))
  return `${lines.map(printable).join('\n')}\n`
}

/** What one verdict, the same for all of these, says. */
function verdictWords(reports: readonly Verified[]): string {
  const names = reports.map(({ ledger }) => ledger).join(', ')
  const verdict = reports[0]?.verdict
  if (verdict === 'unchanged') {
    return `${names}: nothing has changed in what this command saw of ${reports.length === 1 ? 'it' : 'them'} before.`
  }
  if (verdict === 'signed') {
    return `${names}: all entries fit the head that the pinned key signed; only its holder can have changed any.`
  }
  return (
    `${names}: self-consistent. The key is not pinned: it is the server's word. Nothing was seen before, so this does ` +
    'not show that nobody changed anything. Give the key with --key; from now on this command remembers what it saw.'
  )
}

function changedLines({ ledger, firstBad, findings, findingCount, evidence }: Verified, columns: number): string[] {
  const first = firstBad === undefined ? '' : ` ${firstBadWords(firstBad)}`
  const kept = `Both signed heads are kept in ${evidence}: show them to whoever relies on the log.`
  return [
    ...wrapped(`${ledger}: do not rely on it.${first} ${objectionWords(findingCount)}:`, columns),
    ...findingsText(findings, findingCount),
    ...(evidence === undefined ? [] : wrapped(kept, columns)),
  ]
}

function ledgerTable(reports: readonly Verified[]): string[] {
  const head = ['ledger', 'entries', 'seen before', 'published heads', 'key']
  const rows = reports.map(({ ledger, size, since, publishedCount, key }) => [
    ledger,
    count(size),
    since === undefined ? 'no' : count(since.size),
    publishedCount === 0 ? '' : `${count(publishedCount)} agree`,
    key,
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)))
  return [head, ...rows].map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
    return `  ${cells.join('  ')}`
  })
}
