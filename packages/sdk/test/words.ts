// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The fields that a lying server can change without being found out by a client that holds a pinned key. None of them
// says what an event is, where it stands, or that it is in the tree. Operations and their fields, by the reason.

type Fields = Readonly<Record<string, readonly string[]>>

const named = (names: string, before = ''): readonly string[] => names.split(' ').map((name) => before + name)

const tokens = [
  named('scopes ledgers ledgers[] sources sources[] expiresAt label createdAt createdBy revokedAt revokedBy limits'),
  named('eventsPerSecond bytesPerSecond burstSeconds', 'limits.'),
].flat()
const status = named('version name installId ready reasons reasons[] space.freeBytes space.reserveBytes index.reason')
const verification = [
  named('requestedAt last lastPassedAt running failureOnRecord failureOnRecord.at failureOnRecord.findingCount'),
  named('startedAt isRequested doneBytes totalBytes', 'running.'),
  named('startedAt endedAt isRequested entryCount readBytes reason findings findingCount', 'last.'),
  named('what file offset ledger index', 'last.findings[].'),
].flat()
const indexStatus = [
  named('reason mapperVersion generation rebuild rebuild.indexed rebuild.size'),
  named('ledgers ledgers.* ledgers.*.indexed ledgers.*.size'),
  named('background background.running background.last background.repairedRows'),
  named('startedAt checked size', 'background.running.'),
  named('startedAt endedAt checked size reason', 'background.last.'),
  named('missing changed invented doubled', 'background.disagreements.'),
].flat()
const indexCheck = [
  named('checked size startedAt endedAt reason findings findingCount'),
  named('index columns columns[]', 'findings[].'),
].flat()
const witness = [
  named('addedAt addedBy seen cosignedAt reason contradictions'),
  named('at size told evidence', 'contradictions[].'),
].flat()
const witnesses = [
  named('published witnessed witnessed.size witnessed.root witnessed.cosignatures unmetSince'),
  named('witness time', 'witnessed.cosignatures[].'),
  ['name', 'url', ...witness].map((name) => `witnesses[].${name}`),
].flat()
const understanding = 'ocsf.* ocsf.class_uid ocsf.message'

export const WORDS: Readonly<Record<string, Fields>> = {
  'what the server understands of an event: only its bytes are evidence, and whoever has them makes the same of them': {
    readEvent: named(understanding),
    searchEvents: named(understanding, 'hits[].'),
    tailEvents: named(understanding, '[].data.'),
    readTimeline: [
      named(`${understanding} changes moreChanges`, 'hits[].'),
      named('target name old new', 'hits[].changes[].'),
      named('aliases aliases[].value aliases[].attribute'),
    ].flat(),
    readRelated: [named(understanding, 'hits[].'), named('ids ids.* ids.*[] hits[].by')].flat(),
  },
  'that nothing was left out, and how much there is: whoever must know reads the ledger': {
    searchEvents: named('hits total.count total.exact indexed heldUp disagreements'),
    readTimeline: named('hits total.count total.exact indexed heldUp disagreements ledgers.*'),
    readRelated: named('total.count total.exact indexed heldUp disagreements ledgers.* earlier later'),
    readFacets: [named('indexed heldUp ledgers.* facets.*'), named('value name count', 'facets.*[].')].flat(),
    readFields: [
      named('fields paths more indexed heldUp ledgers.*'),
      named('name title paths paths[] example values', 'fields[].'),
      named('value name count', 'fields[].values[].'),
      named('path count example', 'paths[].'),
    ].flat(),
    readHistogram: [
      named('indexed heldUp ledgers.* buckets[].count buckets[].by buckets[].moreValues buckets[].moreCount'),
      named('value name count', 'buckets[].by[].'),
    ].flat(),
    listLedgers: ['ledgers'],
    listTokens: ['tokens'],
  },
  'that a receipt is withheld of an event which another token had appended: nothing is claimed by it': {
    appendEvents: ['receipts[]'],
  },
  'who administers what, and since when: the ledger system proves it': {
    showLedger: ['public', 'createdAt'],
    listLedgers: ['ledgers[].public', 'ledgers[].createdAt'],
    createLedger: ['createdAt'],
    listTokens: ['id', ...tokens].map((name) => `tokens[].${name}`),
    createToken: ['id', 'token', 'createdAt', 'createdBy'],
    revokeToken: tokens,
  },
  'how the server itself is: it holds for nobody else': {
    readStatus: [...status, 'clockJump', 'clockJump.wall', 'clockJump.ledger'],
    confirmClock: status,
    readVerification: verification,
    startVerification: verification,
    readIndex: indexStatus,
    rebuildIndex: indexStatus,
    readIndexCheck: indexCheck,
    startIndexCheck: indexCheck,
  },
  'what its witnesses do: whoever must know holds their cosignatures against a policy with the keys that they publish':
    {
      listWitnesses: witnesses,
      setWitnessQuorum: witnesses,
      removeWitness: witnesses,
      addWitness: witness,
      readWitnessPolicy: ['[]'],
    },
  'why it refuses: that it does refuse is all that is taken from it': {
    problem: ['code', 'detail', 'column', 'length', 'suggestion'],
  },
}

/** Fields that no honest answer to the call has. */
export const NEVER_SENT: Readonly<Record<string, Fields>> = {
  'only a search of all ledgers says where a hit is': { readEvent: ['ledger'], tailEvents: ['[].data.ledger'] },
  'bytes that are no text name nobody': { readTimeline: ['hits[].eventBase64'] },
  'the client refuses a new token that was revoked, and a confirmation that confirms nothing': {
    createToken: ['revokedAt', 'revokedBy'],
    confirmClock: ['clockJump', 'clockJump.wall', 'clockJump.ledger'],
  },
}

/** Calls that this client has no method for. */
export const NOT_CALLED: readonly string[] = [
  'readMetrics',
  'readOpenApi',
  'readReadiness',
  'readRoot',
  'readVerifierPage',
]

export function namesOf(table: Readonly<Record<string, Fields>>): string[] {
  return Object.values(table).flatMap((fields) =>
    Object.entries(fields).flatMap(([operation, names]) => names.map((name) => `${operation} ${name}`)),
  )
}
