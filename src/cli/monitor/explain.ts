// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele monitor --explain FOLDER`: what a third party makes of evidence, offline, with a key of its own.

import { EvidenceFault, explainEvidence, readEvidence } from '../../evidence/monitor/evidence-folder.ts'
import { givenKey, givenOrigins, type GivenTrust } from '../../evidence/monitor/log-trust.ts'
import type { ExitCode } from '../command.ts'
import { jsonLine, printable, wrapped } from '../display.ts'
import { type Environment, pathOf } from '../environment.ts'
import { Failure, fileFailure } from '../failure.ts'

const NOTHING_SHOWN = 'Nothing was verified'

export async function explain(
  folder: string,
  given: GivenTrust,
  isJson: boolean,
  environment: Environment,
): Promise<ExitCode> {
  const { disk, stdout } = environment
  const evidence = await readEvidence(disk, pathOf(environment, folder)).catch((error: unknown) => {
    if (error instanceof EvidenceFault) throw new Failure(3, printable(error.message), NOTHING_SHOWN)
    if (error instanceof Error && 'syscall' in error) throw fileFailure(error, folder, 'read', NOTHING_SHOWN)
    throw error
  })
  const { origin, vkey: told } = evidence.about
  const vkey = givenKey(given, origin)
  if (vkey === undefined) {
    const origins = givenOrigins(given)
    const what =
      origins.length === 0
        ? `the evidence is of ${origin}, and its key was not given; the monitor held it against ${told}`
        : `the key that you gave is of ${origins.join(', ')}, and the evidence is of ${origin}`
    const mend = 'Get the key from whoever relies on the log, not from this folder, and give it with --key'
    throw new Failure(2, printable(what), NOTHING_SHOWN, mend)
  }
  const { isProven, finding, sentences } = await explainEvidence(evidence, {
    origin,
    vkey,
    isPinned: true,
    rotations: evidence.rotations,
  })
  if (isJson)
    await stdout.write(
      jsonLine({ origin, proven: isProven, finding: finding ?? 'none', sentences, about: evidence.about }),
    )
  else await stdout.write(`${sentences.flatMap((part) => wrapped(printable(part), stdout.columns)).join('\n')}\n`)
  return isProven ? 0 : 1
}
