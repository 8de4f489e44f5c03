// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A policy in parts: which keys this platform can't check, whether some witnesses are enough, who has cosigned a head.

import { readFile } from 'node:fs/promises'

import { hasQuorum, openByPolicy, parsePolicy, parseReceipt, uncheckedKeys } from '@stele/proof'

const fixtures = new URL('fixtures/', import.meta.url)
const policy = parsePolicy(await readFile(new URL('trust.policy', fixtures)))
console.log('not checked here:', await uncheckedKeys(policy))
console.log('one is enough:', hasQuorum(policy, new Set(['W1'])), 'two are:', hasQuorum(policy, new Set(['W1', 'W2'])))

const { checkpoint: note } = parseReceipt(await readFile(new URL('event.tlog-proof', fixtures)))
const { checkpoint, log, cosignatures } = await openByPolicy(note, policy)
console.log(log.key.name, checkpoint.size, cosignatures.map(({ witness }) => witness).join())

// Prints:
// not checked here: []
// one is enough: false two are: true
// audit.example.com/k3v7q2m5x8r4t/main 300 W1,W2
