// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The same, trusting a policy: the log's key, and two of three witnesses.

import { readFile } from 'node:fs/promises'

import { parsePolicy, verifyReceipt } from '@stele/proof'

const fixtures = new URL('fixtures/', import.meta.url)
const policy = parsePolicy(await readFile(new URL('trust.policy', fixtures)))
const event = await readFile(new URL('event.json', fixtures))
const receipt = await readFile(new URL('event.tlog-proof', fixtures))

const report = await verifyReceipt(event, receipt, policy)
console.log(report.verdict)
for (const { witness, time } of report.cosignatures ?? []) console.log(witness, new Date(time * 1000).toISOString())

// Prints:
// valid
// W1 2023-11-14T22:13:20.000Z
// W2 2023-11-14T22:13:20.000Z
