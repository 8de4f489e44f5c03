// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** `stele witness serve`: runs a witness until it is told to stop, or a failure stops it. */
import type { ExitCode } from './cli/command.ts'
import { printable, shellWord } from './cli/display.ts'
import type { WitnessServeConfig } from './cli/environment.ts'
import { Failure } from './cli/failure.ts'
import { SystemClock, timeText } from './platform/clock.ts'
import type { ServeParts } from './serve.ts'
import { startWitness } from './witness-server.ts'
import { WitnessFault } from './witness/witnessing/fault.ts'

const ONE_KEY = 'Give a log one of these keys, not both: they are one witness, which counts once.'

export async function serveWitness(config: WitnessServeConfig, parts: ServeParts): Promise<ExitCode> {
  const { stdout, stderr, interrupted, version } = parts
  const clock = new SystemClock()
  const log = (line: object) => void stderr.write(`${JSON.stringify({ time: timeText(clock.wallMs()), ...line })}\n`)
  const witness = await startWitness({ ...config, version, log }).catch((error: unknown) => {
    throw startFailure(error, config)
  })
  try {
    const lines = [`stele witness is listening on ${witness.url}`, ...witness.vkeys, ONE_KEY]
    await stdout.write(lines.map((line) => `${line}\n`).join(''))
    await fired(AbortSignal.any([interrupted, witness.stopped]))
  } finally {
    await witness.close()
  }
  return witness.stopped.aborted ? 3 : 0
}

async function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function startFailure(error: unknown, { listenHost, listenPort, directory }: WitnessServeConfig): unknown {
  if (error instanceof WitnessFault) return new Failure(3, printable(error.message), 'Nothing was changed')
  if (!(error instanceof Error && 'code' in error)) return error
  if (error.code === 'EADDRINUSE') {
    const mend = 'Stop it, or give --listen HOST:PORT'
    return new Failure(3, `${listenHost}:${listenPort} is in use by another program`, 'Nothing was cosigned', mend)
  }
  return new Failure(3, `${shellWord(directory)} cannot be served: ${printable(error.message)}`, 'Nothing was cosigned')
}
