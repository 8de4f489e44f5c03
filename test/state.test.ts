// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { witnessSigner } from '../packages/proof/test/signers.ts'
import { ownBatch } from '../src/ledger/batch.ts'
import { Problem } from '../src/schema/problem.ts'
import type { TokenRequest } from '../src/schema/system-events.ts'
import { StateFault } from '../src/state/state-fault.ts'
import { type SystemState } from '../src/state/system-state.ts'
import { FaultDisk, OPERATIONS } from './fault-disk.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, readAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

interface Place {
  readonly disk: PowerCutDisk
  readonly head: MemoryHeadStore
  readonly clock: TurnedClock
  readonly random: SeededRandom
}

const place = (seed = 1): Place => {
  return {
    disk: new PowerCutDisk(),
    head: new MemoryHeadStore(),
    clock: new TurnedClock(),
    random: new SeededRandom(seed),
  }
}
const open = async (where: Place): Promise<Stele> => await openStele({ ...where, directory })

/** The fold, as plain data. */
function plain(state: SystemState): unknown {
  return {
    install: state.install,
    ledgers: [...state.ledgers],
    tokens: [...state.tokens],
    clockJump: state.clockJump,
    witnesses: state.witnesses.known,
    quorum: [state.witnesses.quorum, state.witnesses.neededCount],
    alarm: state.witnesses.alarm,
  }
}

async function refused(act: Promise<unknown>, code: string, detail: RegExp): Promise<void> {
  await assert.rejects(act, (error) => {
    assert(error instanceof Problem, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, detail)
    return true
  })
}

test('a directory that is begun has an install, the reserved ledgers, main, and one admin token, all recorded', async () => {
  const { administration, ledgers, adminTokens } = await open(place())
  const { state } = administration
  assert.deepEqual(state.install, { name: 'stele.test', installId: 'abcdefghijklm' })
  assert.deepEqual([...state.ledgers.keys()].toSorted(), ['access', 'heads', 'main', 'system'])
  for (const { name, origin, vkey } of state.ledgers.values()) {
    assert.equal(origin, `stele.test/abcdefghijklm/${name}`)
    assert.equal(vkey, ledgers.vkey(name))
  }
  assert.equal(adminTokens.length, 1)
  const [token] = state.tokens.values()
  assert.deepEqual(
    [token?.scopes, token?.ledgers, token?.createdBy],
    [['append', 'read', 'verify', 'admin'], ['*'], 'stele'],
  )
  const types = (await readAll(ledgers, 'system')).map(
    (event) => (JSON.parse(event.toString()) as { type: string }).type,
  )
  const created = 'ledger.created'
  const begun = ['install', created, created, created, 'key.added', created, 'token.created']
  assert.deepEqual(types, [...begun, 'server.started'])
})

test('P7: the state after any acts is the state after replaying them, over kills and stops', async () => {
  const name = fc.stringMatching(/^[a-d]$/)
  const act = fc.oneof(
    fc.record({ kind: fc.constant('ledger' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('token' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('revoke' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('jump' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('confirm' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('rotate' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('witness' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('quorum' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('contradict' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('alarm' as const), name, open: fc.boolean() }),
    fc.record({ kind: fc.constant('restart' as const), name, open: fc.boolean() }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
      const where = place()
      let stele = await open(where)
      for (const { kind, name, open: flag } of acts) {
        where.clock.pass(1_000)
        const { administration } = stele
        const { state } = administration
        if (kind === 'ledger') await administration.createLedger({ name, public: flag }, 'tester').catch(ignoreProblem)
        if (kind === 'token') await administration.createToken(tokenFor(name, flag), 'tester').catch(ignoreProblem)
        if (kind === 'revoke') await administration.revokeToken([...state.tokens.keys()].at(-1) ?? '', 'tester')
        if (kind === 'jump')
          await administration.clockJumped({ wallMs: where.clock.wall + 1, ledgerMs: where.clock.wall })
        if (kind === 'confirm') await administration.confirmClock('tester')
        if (kind === 'rotate') await administration.rotateKey(flag ? 'heads' : name, 'tester').catch(ignoreProblem)
        if (kind === 'witness' && flag) await administration.addWitness(witnessFor(name), 'tester').catch(ignoreProblem)
        if (kind === 'witness' && !flag) await administration.removeWitness(name, 'tester').catch(ignoreProblem)
        if (kind === 'quorum')
          await administration.setWitnessQuorum({ count: flag ? 'all' : 1 }, 'tester').catch(ignoreProblem)
        if (kind === 'contradict' && state.witnesses.get(name) !== undefined) {
          const said = { kind: flag ? ('fork' as const) : ('ahead' as const), size: 3, root: '', evidence: 'e' }
          await administration.record([{ type: 'witness.contradicted', v: 1, name, ...said }])
        }
        if (kind === 'alarm')
          await administration.record([flag ? UNMET : { type: 'witness.quorum.met', v: 1, size: 4 }])
        if (kind !== 'restart') continue
        const live = plain(state)
        if (flag) await stele.close()
        stele = await open(where)
        assert.deepEqual(plain(stele.administration.state), live)
      }
      const live = plain(stele.administration.state)
      assert.deepEqual(plain((await open(where)).administration.state), live)
    }),
    { seed: 7, numRuns: 30 },
  )
})

const UNMET = {
  type: 'witness.quorum.unmet' as const,
  v: 1 as const,
  since: '2026-01-01T00:00:00.000Z',
  size: 4,
  witnessed: 2,
  needed: 1,
  missing: ['a'],
}

function witnessFor(name: string) {
  return { name, vkey: witnessSigner(name).vkey, url: 'https://witness.example' }
}

const ignoreProblem = (error: unknown) => assert(error instanceof Problem, String(error))

function tokenFor(ledger: string, limited: boolean): TokenRequest {
  if (!limited) return { scopes: ['append'], ledgers: [ledger] }
  const expiresAt = '2027-01-01T00:00:00.000Z'
  return {
    scopes: ['read', 'verify'],
    ledgers: ['*'],
    sources: ['entra.audit/contoso'],
    expiresAt,
    label: 'a "label"\n',
  }
}

test('acts that come at the same time are taken one after another: of two that create one ledger, one is refused', async () => {
  const { administration, ledgers } = await open(place())
  const acts = Array.from({ length: 5 }, async () => await administration.createLedger({ name: 'payments' }, 'tester'))
  const settled = await Promise.allSettled(acts)
  assert.deepEqual(settled.map(({ status }) => status).toSorted(), [
    'fulfilled',
    ...Array.from({ length: 4 }, () => 'rejected'),
  ])
  for (const outcome of settled) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'ledger-exists')
  assert.equal((await append(ledgers, 'payments', [Buffer.from('{}')])).first, 0)
})

test('a request that is not in its form is refused and names the field; nothing is recorded', async () => {
  const { administration, ledgers } = await open(place())
  const { size } = ledgers.log('system')
  for (const name of ['', 'Upper', '-x', 'a/b', '../etc', 'x'.repeat(64), 'ä']) {
    await refused(administration.createLedger({ name }, 'tester'), 'invalid-field', /^name: /)
  }
  await refused(administration.createLedger({ name: 'system' }, 'tester'), 'ledger-reserved', /own ledgers/)
  await refused(administration.createLedger({ name: 'main' }, 'tester'), 'ledger-exists', /main already/)
  const good: TokenRequest = { scopes: ['read'], ledgers: ['main'] }
  const bad: [object, string, RegExp][] = [
    [{ scopes: [] }, 'invalid-field', /^scopes: /],
    [{ scopes: ['write'] }, 'invalid-field', /^scopes\.0: /],
    [{ ledgers: [] }, 'invalid-field', /^ledgers: /],
    [{ ledgers: ['nowhere'] }, 'ledger-unknown', /no ledger nowhere/],
    [{ scopes: ['admin'] }, 'invalid-field', /^ledgers: an admin token is for all ledgers/],
    [{ sources: ['Entra'] }, 'invalid-field', /^sources\.0: /],
    [{ sources: ['a/b/c'] }, 'invalid-field', /^sources\.0: /],
    [{ expiresAt: '2026-01-01T00:00:00.000Z' }, 'invalid-field', /has passed already/],
    [{ expiresAt: 'tomorrow' }, 'invalid-field', /^expiresAt: /],
    [{ label: '' }, 'invalid-field', /^label: /],
    [{ scopes: ['read', 'read'] }, 'invalid-field', /^scopes: give each once\.$/],
    [{ ledgers: ['main', 'main'] }, 'invalid-field', /^ledgers: give each once\.$/],
    [{ ledgers: ['*', '*'] }, 'invalid-field', /^ledgers: give each once\.$/],
    [{ sources: ['entra', 'entra'] }, 'invalid-field', /^sources: give each once\.$/],
    ...['a\nb', 'a\u001b[2J', '\u009b', 'a\u2028b', 'gpj.\u202eexe', '\ud800'].map(
      (label): [object, string, RegExp] => [{ label }, 'invalid-field', /^label: use no control characters\.$/],
    ),
    [{ more: 1 }, 'invalid-field', /more/],
  ]
  for (const [change, code, detail] of bad) {
    await refused(administration.createToken({ ...good, ...change }, 'tester'), code, detail)
  }
  await refused(administration.revokeToken('nobody', 'tester'), 'not-found', /no token nobody/)
  assert.equal(ledgers.log('system').size, size)
  for (const label of ['Zoë’s auditor 👩‍💻', 'مراجع', '審査'])
    assert.equal((await administration.createToken({ ...good, label }, 'tester')).record.label, label)
})

test('a token that is revoked twice is recorded once, with who did it first', async () => {
  const { administration, ledgers } = await open(place())
  const { id } = await administration.createToken({ scopes: ['read'], ledgers: ['*'] }, 'alice')
  const first = await administration.revokeToken(id, 'alice')
  const { size } = ledgers.log('system')
  assert.deepEqual(await administration.revokeToken(id, 'bob'), first)
  assert.equal(first.revokedBy, 'alice')
  assert.equal(ledgers.log('system').size, size)
})

test('an event of system that this version does not know stops the start, and names its entry', async () => {
  const strange = [
    '{"type":"ledger.renamed","v":1,"name":"main"}',
    '{"type":"server.stopped","v":2}',
    '{"type":"server.stopped","v":1,"more":true}',
    'not JSON',
    '{"type":"token.revoked","v":1,"id":"never-created","by":"x"}',
    '{"type":"install","v":1,"name":"x","installId":"y"}',
  ]
  for (const event of strange) {
    const where = place()
    const { ledgers } = await open(where)
    const { first } = await ledgers.append(
      'system',
      ownBatch([Buffer.from(event)], 'stele.system', 'application/json', 'x'),
    )
    await assert.rejects(open(where), (error) => {
      assert(error instanceof StateFault, `${event}: ${String(error)}`)
      if (!/never created|second install/.test(error.message))
        assert.match(error.message, new RegExp(`entry ${first} of system`))
      return true
    })
  }
})

test('entries of a ledger that system never created stop the start', async () => {
  const where = place()
  const { ledgers } = await open(where)
  await ledgers.ensureLog('smuggled')
  await append(ledgers, 'smuggled', [Buffer.from('x')])
  await assert.rejects(open(where), /the WAL has entries of smuggled, which system never created/)
})

test('P1 P7: a crash at any step of creating a ledger leaves it created or not, and it can be created then', async () => {
  const counting = await creation(Infinity)
  assert(counting.total > 10)
  for (let operations = 0; operations <= counting.total; operations++) {
    for (const power of ['kept', 'cut'] as const) {
      const { where, acknowledged } = await creation(operations)
      const disk = power === 'kept' ? where.disk.afterKill(where.random) : where.disk.afterPowerCut(where.random)
      const stele = await open({ ...where, disk })
      const created = stele.administration.state.ledgers.has('payments')
      assert(created || !acknowledged, `after ${operations} operations the ledger is gone`)
      assert.equal(stele.ledgers.has('payments'), created)
      if (!created) await stele.administration.createLedger({ name: 'payments' }, 'tester')
      await append(stele.ledgers, 'payments', [Buffer.from('{}')])
      await stele.close()
      assert(!disk.paths.some((path) => path.includes('/pending/')), 'a key is left waiting')
    }
  }
})

async function creation(operations: number): Promise<{ where: Place; acknowledged: boolean; total: number }> {
  const where = place(operations === Infinity ? 0 : operations)
  const disk = new FaultDisk(where.disk)
  const stele = await openStele({ ...where, disk, directory })
  const begun = disk.trace.length
  where.disk.operationsLeft = operations
  let acknowledged = false
  try {
    await stele.administration.createLedger({ name: 'payments' }, 'tester')
    acknowledged = true
  } catch {
    // The power went off.
  }
  return { where, acknowledged, total: disk.trace.length - begun }
}

test('publishing at any moment while a ledger is being created does no harm', async () => {
  const where = place()
  const disk = new FaultDisk(where.disk)
  const { administration, ledgers, failures } = await openStele({ ...where, disk, directory })
  let published = 0
  disk.delay = async (_, path) => {
    if (path.includes('/wal')) return
    published++
    await ledgers.publish()
  }
  await administration.createLedger({ name: 'payments' }, 'tester')
  await ledgers.publish()
  assert(published > 5)
  assert.deepEqual(failures, [])
})

test('when the disk fails as a new ledger is opened, creating it once more opens it', async () => {
  const counted = place()
  const counting = new FaultDisk(counted.disk)
  await openStele({ ...counted, disk: counting, directory })
  for (const operation of OPERATIONS.filter((operation) => operation === 'rename' || operation === 'syncDirectory')) {
    for (let later = 0; later < 3; later++) {
      const where = place()
      const nth = counting.count(operation) + later
      const disk = new FaultDisk(where.disk, { operation, nth, done: 'not', code: 'EIO' })
      const { administration, ledgers } = await openStele({ ...where, disk, directory })
      await administration.createLedger({ name: 'payments' }, 'tester').catch(() => {})
      if (!ledgers.has('payments')) await administration.createLedger({ name: 'payments' }, 'tester')
      await append(ledgers, 'payments', [Buffer.from('{}')])
    }
  }
})
