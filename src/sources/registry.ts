// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Every source that Stele knows. A new one is a line here, a file beside this one and a folder of fixtures;
// test/sources-registry.test.ts holds what a connector must keep.

import { editCount } from '../query/nearest.ts'
import { Problem } from '../schema/problem.ts'
import type { Connector } from './connector.ts'
import { entraAudit } from './entra/audit.ts'
import { entraGraphActivity } from './entra/graph-activity.ts'
import { entraOther } from './entra/other.ts'
import { entraProvisioning } from './entra/provisioning.ts'
import { entraRisk } from './entra/risk.ts'
import { entraSignin } from './entra/signin.ts'
import { generic } from './generic.ts'
import { Recognition } from './recognition.ts'

/** `generic` comes first: its kind is 0. Of the others, what an event satisfies several of, the earlier one wins. */
export const connectors: readonly Connector[] = [
  generic,
  entraAudit,
  entraSignin,
  entraProvisioning,
  entraRisk,
  entraGraphActivity,
  entraOther,
]

export const recognition = new Recognition(connectors)

/** Of each kind, a table of nothing but its ids: for events whose kind is known. Undefined where it has none. */
export const idTables: readonly (Recognition | undefined)[] = connectors.map((connector) =>
  connector.ids === undefined ? undefined : new Recognition([{ ...connector, shapes: [], containers: [] }]),
)

/** Position in `connectors` of the source that a client named. */
export function kindOf(type: string): number {
  const kind = connectors.findIndex((connector) => connector.type === type)
  if (kind !== -1) return kind
  const detail = `there is no such source type; the nearest are ${nearest(type).join(', ')}: name one of them, or none`
  throw new Problem('source-unknown', detail)
}

function nearest(type: string): readonly string[] {
  // What a client sends here has no length limit of its own.
  const asked = type.slice(0, 64)
  const ranked = connectors.map(({ type }) => ({ type, edits: editCount(asked, type) }))
  return ranked
    .toSorted((one, other) => one.edits - other.edits)
    .slice(0, 3)
    .map(({ type }) => type)
}
