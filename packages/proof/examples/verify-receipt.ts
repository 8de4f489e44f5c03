// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Is this event, byte for byte, what the log recorded? Needs the event, its receipt, and a key obtained elsewhere.

import { readFile } from 'node:fs/promises'

import { verifyReceipt } from '@stele/proof'

const fixtures = new URL('fixtures/', import.meta.url)
const event = await readFile(new URL('event.json', fixtures))
const receipt = await readFile(new URL('event.tlog-proof', fixtures))
const vkey = (await readFile(new URL('log.vkey', fixtures), 'utf8')).trimEnd()

const report = await verifyReceipt(event, receipt, { vkey })
console.log(report.verdict, report.origin, report.index, report.time)
for (const { ok, what, detail } of report.checks) console.log(ok, what, '-', detail)
for (const sentence of report.summary) console.log(sentence)

// Prints:
// valid audit.example.com/k3v7q2m5x8r4t/main 41 2026-01-02T03:04:05.678Z
// true the receipt - it can be read
// true the entry - it can be read, in the only spelling that it can have
// true the event - it is byte for byte what the entry commits to
// true the checkpoint - it names the root of 300 entries
// true the place in the tree - the hashes lead from number 41, counted from 0, to the root
// true the signature - signed by audit.example.com/k3v7q2m5x8r4t/main
// not checked other signatures - by keys that were not given, so they say nothing: witness.example.org/w1, witness.example.net/w2
// This event is, byte for byte, what the log audit.example.com/k3v7q2m5x8r4t/main recorded as number 41, counted from 0, of its first 300 entries, on 2026-01-02T03:04:05.678Z by its own clock.
// Signed by the Ed25519 key of audit.example.com/k3v7q2m5x8r4t/main, up to 300 entries.
// No witness vouches for it: that all are shown the same entries rests on whoever holds its key.
// Not checked: other signatures: by keys that were not given, so they say nothing: witness.example.org/w1, witness.example.net/w2.
