// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** `stele serve`: runs a server until it is told to stop, and says where to look and what to type next. */
import type { ExitCode } from './cli/command.ts'
import type { Output, ServeConfig } from './cli/environment.ts'
import { printable, shellWord, wrapped } from './cli/display.ts'
import { Failure, installationFailure } from './cli/failure.ts'
import { ConfigFault } from './directory.ts'
import { IndexUrlFault } from './index/connection.ts'
import { OwnedError } from './ledger/opening.ts'
import { KeyFault } from './ledger/signing.ts'
import { HeadFault } from './ledger/publish.ts'
import { DataFault } from './ledger/data-fault.ts'
import { SystemClock, timeText } from './platform/clock.ts'
import { type DemoPlayed, playDemo } from './play-demo.ts'
import { type RunningServer, startServer } from './server.ts'
import { StateFault } from './state/state-fault.ts'

const DEFAULT_PORT = 7835
const DEMO_INDEXED_MS = 10_000
const PROGRESS_EVERY_BYTES = 64 * 1024 * 1024
/** Of the story's words. */
const STORY_COLUMNS = 100

export interface ServeParts {
  readonly version: string
  readonly stdout: Output
  readonly stderr: Output
  /** Fires when the server is to stop. */
  readonly interrupted: AbortSignal
}

export async function serve(config: ServeConfig, parts: ServeParts): Promise<ExitCode> {
  const { stdout, stderr, interrupted, version } = parts
  const clock = new SystemClock()
  const log = (line: object) => void stderr.write(`${JSON.stringify({ time: timeText(clock.wallMs()), ...line })}\n`)
  let announcedBytes = 0
  const onProgress = (doneBytes: number, totalBytes: number) => {
    if (doneBytes - announcedBytes < PROGRESS_EVERY_BYTES) return
    announcedBytes = doneBytes
    log({ level: 'info', message: 'reading the log', doneBytes, totalBytes })
  }
  const server = await startServer({ ...config, version, log, onProgress }).catch((error: unknown) => {
    throw startFailure(error, config)
  })
  try {
    const played = config.demo ? await playDemo(server.ledgers, server.administration) : undefined
    await stdout.write(`stele is listening on ${server.url}\n`)
    // The searches that are printed next are to find what they say.
    if (played !== undefined) await server.index.waitFor(played.ledger, played.size, DEMO_INDEXED_MS, interrupted)
    await stdout.write(played === undefined ? nextText(server, config) : demoText(played, server, config))
    await stopped(interrupted)
  } finally {
    await server.close()
  }
  return server.ledgers.failure === undefined ? 0 : 3
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function nextText(server: RunningServer, config: ServeConfig): string {
  if (!server.ledgers.opening.begun) return ''
  return [
    '',
    `A new directory was begun: ${config.dataDirectory}`,
    `  administrator's token  ${server.adminTokenPath} (keep it, then take it off this machine)`,
    `  head kept outside      ${server.ledgers.keptHead.where}`,
    '',
  ].join('\n')
}

function demoText(played: DemoPlayed, server: RunningServer, config: ServeConfig): string {
  const { ledger, stored, size, steps } = played
  const number = (value: number) => value.toLocaleString('en-US')
  const lines = [
    '',
    stored > 0
      ? `Five weeks of an invented company's Entra tenant were stored in the ledger ${ledger}: ${number(stored)} events, one batch.`
      : `The ledger ${ledger} holds ${number(size)} events from before; nothing was played again.`,
  ]
  if (steps.length > 0) lines.push(...stepLines(played, server))
  const shown = steps.find(({ title }) => title === 'Global Administrator')?.index ?? 0
  const data = shellWord(config.dataDirectory)
  lines.push(
    '',
    'From another terminal, in this folder:',
    '',
    ...connectionText(server, config),
    `  npx stele tail --ledger ${ledger} --from ${shown}`,
    `  npx stele prove ${shown} --ledger ${ledger} --out grant.tlog-proof --event grant.json`,
    `  npx stele verify grant.json grant.tlog-proof --key '${server.ledgers.vkey(ledger)}'`,
    `  npx stele verify --data ${data}`,
    `  npx stele drill --data ${data}`,
    '  npx stele append YOUR-EXPORT.json',
    '',
    'Ctrl-C stops the server; what it stored stays.',
    '',
  )
  return lines.join('\n')
}

/** The attack step by step, each with the command that finds it; without these where nothing can be searched. */
function stepLines({ ledger, steps }: DemoPlayed, server: RunningServer): string[] {
  const { state, reason = '' } = server.index.status()
  const isSearchable = state !== 'off' && state !== 'unavailable'
  const lines = [
    isSearchable
      ? 'Among them an attack: its steps, behind their indexes, each with a search that finds it.'
      : `Among them an attack: its steps, behind their indexes. Nothing can be searched: ${printable(reason)}.`,
  ]
  for (const { index, at, title, words, search } of steps) {
    lines.push('', `${String(index).padStart(6)}  ${at.slice(0, 16).replace('T', ' ')}  ${title}`)
    lines.push(...wrapped(words, STORY_COLUMNS).map((line) => `        ${line}`))
    if (isSearchable) lines.push(`        npx stele search --ledger ${ledger} ${shellWord(search)}`)
  }
  return lines
}

/** Commands find a server at the default address, and its token in the folder they are typed in, by themselves. */
function connectionText({ url, adminTokenPath }: RunningServer, { listenHost, listenPort }: ServeConfig): string[] {
  if (listenHost === '127.0.0.1' && listenPort === DEFAULT_PORT) return []
  return [`  export STELE_URL=${url} STELE_TOKEN=$(cat ${shellWord(adminTokenPath)})`]
}

/** Says what keeps the server from starting; nothing was changed on the disk by then. */
function startFailure(error: unknown, config: ServeConfig): unknown {
  if (error instanceof Failure) return error
  const notInstalled = installationFailure(error)
  if (notInstalled !== undefined) return notInstalled
  if (isDiskFull(error)) {
    const mend = 'Make room there, then start again'
    return new Failure(
      3,
      `the disk of ${printable(config.dataDirectory)} is full`,
      'What was acknowledged is safe',
      mend,
    )
  }
  if (error instanceof ConfigFault || error instanceof IndexUrlFault) return new Failure(2, printable(error.message))
  if (error instanceof DataFault || error instanceof StateFault) {
    const mend =
      `'${doctorCommand(config)}' says all that is wrong, what is lost and what is not, and which good copy to put in ` +
      'its place; Stele repairs nothing silently'
    return new Failure(3, `the ledger is damaged: ${printable(error.message)}`, 'Nothing was changed', mend)
  }
  if (error instanceof KeyFault || error instanceof HeadFault) {
    return new Failure(3, printable(error.message), 'Nothing was changed', `'${doctorCommand(config)}' explains it`)
  }
  if (error instanceof OwnedError) return new Failure(3, printable(error.message), 'Nothing was changed')
  if (error instanceof Error && 'code' in error) return systemFailure(error, String(error.code), config)
  return error
}

function doctorCommand({ dataDirectory, head }: ServeConfig): string {
  const outside = head === undefined ? '' : ` --head ${shellWord(head)}`
  return `stele doctor --data ${shellWord(dataDirectory)}${outside}`
}

/** The start writes a little itself, through a writer that then stops: the reason is in its words. */
function isDiskFull(error: unknown): boolean {
  return error instanceof Error && error.message.includes('ENOSPC')
}

function systemFailure(error: Error, code: string, { listenHost, listenPort, dataDirectory }: ServeConfig): Failure {
  const address = `${listenHost}:${listenPort}`
  if (code === 'EADDRINUSE') {
    return new Failure(
      3,
      `${address} is in use by another program`,
      'The ledgers are safe',
      'Stop it, or give --listen HOST:PORT',
    )
  }
  if (code === 'EADDRNOTAVAIL') return new Failure(3, `this machine has no address ${address}`, 'Give another --listen')
  return new Failure(
    3,
    `${printable(dataDirectory)} cannot be used: ${printable(error.message)}`,
    'Nothing was changed',
  )
}
