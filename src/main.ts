// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The program: reads the environment, alone of all files, and hands it to the command that was called. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import type { Environment, Output } from './cli/environment.ts'
import { run } from './cli/run.ts'
import { SystemClock } from './platform/clock.ts'
import { NodeDisk } from './platform/disk.ts'
import { NodeFiles } from './platform/files.ts'
import { SystemRandom } from './platform/random.ts'

const DEFAULT_COLUMNS = 80

function output(stream: NodeJS.WriteStream): Output {
  // Whoever writes hears of it; without a listener the process would die of it first.
  stream.on('error', () => {})
  return {
    isTerminal: stream.isTTY,
    get columns() {
      return stream.isTTY ? stream.columns : DEFAULT_COLUMNS
    },
    write: async (text) =>
      await new Promise((resolve, reject) => stream.write(text, (error) => (error ? reject(error) : resolve()))),
  }
}

/** Fires at the first SIGINT or SIGTERM; at the second the process ends at once. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort()
    })
  }
  return controller.signal
}

const packageText = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
const { version } = JSON.parse(packageText) as { version: string }
const stdout = output(process.stdout)
const stderr = output(process.stderr)
const interrupted = interruption()
const disk = new NodeDisk()
const clock = new SystemClock()
const random = new SystemRandom()

const environment: Environment = {
  version,
  variables: process.env,
  cwd: process.cwd(),
  home: homedir(),
  stdin: {
    // Asked only by the commands that read it: to look at standard input is to open it.
    get isTerminal() {
      return process.stdin.isTTY
    },
    read: () => process.stdin,
  },
  stdout,
  stderr,
  disk,
  files: new NodeFiles(),
  clock,
  random,
  fetch: globalThis.fetch,
  interrupted,
  async serve(config) {
    const { serve } = await import('./serve.ts')
    return await serve(config, { version, stdout, stderr, interrupted })
  },
  async serveWitness(config) {
    const { serveWitness } = await import('./serve-witness.ts')
    return await serveWitness(config, { version, stdout, stderr, interrupted })
  },
  async administer({ dataDirectory, stateDirectory }, work) {
    const { openDirectory } = await import('./directory.ts')
    const log = (line: object) => void stderr.write(`${JSON.stringify(line)}\n`)
    const name = 'stele.local'
    const opened = await openDirectory({ dataDirectory, stateDirectory, name, version, log, mayBegin: false })
    try {
      return await work(opened.administration)
    } finally {
      await opened.close()
    }
  },
  async tryStart(place) {
    const { tryStart } = await import('./try-start.ts')
    return await tryStart(place)
  },
  async verifierPage() {
    const { readVerifierPage } = await import('./verifier-page.ts')
    return await readVerifierPage()
  },
  async openCopy({ dataDirectory, head, sizes = {} }) {
    const { openDirectory, systemParts } = await import('./directory.ts')
    const config = { dataDirectory, head, stateDirectory: dirname(head), name: 'stele.local', version, log: () => {} }
    return await openDirectory(config, { ...systemParts(), sizes })
  },
}

// A read of standard input that nobody waits for any more would keep the process.
process.exit(await run(process.argv.slice(2), environment))
