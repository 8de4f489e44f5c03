// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Keys that follow one another: whatever happens during it one of them is in force and the other signs nothing, and
// what an old key signs afterwards is worth nothing.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import {
  mldsa44Verifier,
  openByPeriods,
  openCheckpoint,
  ed25519Verifier,
  ProofError,
  rootAt,
  verifyRotations,
} from '@stele/proof'

import { ownBatch } from '../src/ledger/batch.ts'
import { verifyDirectory } from '../src/evidence/verify-directory.ts'
import { KeyStore } from '../src/ledger/keys.ts'
import { HeadFault } from '../src/ledger/publish.ts'
import { parseKey, type Signer } from '../src/ledger/signing.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, sealAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

const SIZES = { anchorEveryBytes: 15_000, walFileBytes: 15_000, segmentEntries: 256 }
const SEED = 31

interface Place {
  readonly disk: PowerCutDisk
  readonly head: MemoryHeadStore
}

async function open({ disk, head }: Place, random = new SeededRandom(SEED)): Promise<Stele> {
  return await openStele({ disk, directory, clock: new TurnedClock(), random, head, sizes: SIZES })
}

/** A directory with a seal, an anchor, and something behind them; stopped. */
async function grown(): Promise<Place> {
  const place = { disk: new PowerCutDisk(), head: new MemoryHeadStore() }
  const stele = await open(place)
  const random = new SeededRandom(SEED + 1)
  for (let batch = 0; batch < 3; batch++) {
    await append(
      stele.ledgers,
      'main',
      Array.from({ length: 10 }, () => random.bytes(1_000 + random.below(500))),
    )
    await stele.ledgers.publish()
  }
  assert((await sealAll(stele, place.disk, directory)) > 0)
  await stele.close()
  return place
}

function copyOf({ disk, head }: Place): Place {
  const copy = new MemoryHeadStore()
  copy.kept = head.kept
  return { disk: disk.fork(), head: copy }
}

function keyFile(disk: PowerCutDisk, ledger: string): string {
  return disk.bytes(join(directory, 'keys', `${ledger}.key`)).toString('latin1')
}

async function verdictOf({ disk, head }: Place) {
  const heads = head.kept === undefined ? [] : [{ where: 'kept', bytes: head.kept }]
  const { verdict, findings } = await verifyDirectory({ disk, directory, heads })
  return { verdict, findings }
}

const unchanged = { verdict: 'unchanged', findings: [] }

/** A signer of a key that was stolen. */
async function stolen(place: Place, ledger: string): Promise<Signer> {
  return parseKey('stolen', keyFile(place.disk, ledger), `stele.test/abcdefghijklm/${ledger}`)
}

for (const ledger of ['main', 'system', 'heads']) {
  test(`P3: whenever the power fails while the key of ${ledger} is rotated, one key is in force, and the other signs nothing`, async () => {
    const before = await grown()
    const old = await stolen(before, ledger)
    const random = new SeededRandom(SEED)
    const left = { old: 0, new: 0 }
    for (let operations = random.below(3); ; operations += 1 + random.below(3)) {
      const place = copyOf(before)
      const stele = await open(place)
      const signed: string[] = []
      stele.ledgers.publishedHeads.on((head) => signed.push(head.toString('utf8')))
      place.disk.operationsLeft = operations
      const life = stele.administration.rotateKey(ledger, 'tester').then(async () => await stele.close())
      const isWhole = await life.then(
        () => true,
        () => false,
      )
      if (isWhole) break
      const isKilled = random.below(3) === 0
      const disk = isKilled ? place.disk.afterKill(random) : place.disk.afterPowerCut(random)
      const after = { disk, head: place.head }
      const again = await open(after)
      const { keys } = again.administration.state.ledgers.get(ledger)!
      const isNew = keys.periods.length === 2
      left[isNew ? 'new' : 'old']++
      assert.equal(again.ledgers.vkey(ledger) === old.vkey, !isNew)
      // All that was ever signed is of one history, each by the key that was in force.
      const all = ledger === 'heads' ? signed : []
      for (const note of [...all, again.ledgers.checkpoint(ledger)]) {
        const { checkpoint } = await openByPeriods(Buffer.from(note), keys.periods)
        const root = await rootAt(checkpoint.size, again.ledgers.log(ledger).hashes)
        assert.deepEqual(Buffer.from(root), Buffer.from(checkpoint.root))
      }
      await append(again.ledgers, 'main', [Buffer.from('goes on')])
      await again.close()
      assert.deepEqual(await verdictOf(after), unchanged)
      assert(!disk.has(join(directory, 'keys', 'pending', `${ledger}.key`)))
      // And what a start settled, the next one finds settled.
      await (await open(after)).close()
      assert.deepEqual(await verdictOf(after), unchanged)
    }
    assert(left.old > 2 && left.new > 2, JSON.stringify(left))
  })
}

test('P3: a directory of before gets its ML-DSA-44 key at its next start, whenever the power fails during that', async () => {
  const golden = join(import.meta.dirname, 'golden', 'v1', 'stopped')
  const old = { disk: new PowerCutDisk(), head: new MemoryHeadStore() }
  for (const name of readdirSync(join(golden, 'data'), { recursive: true, encoding: 'utf8' })) {
    const path = join(golden, 'data', name)
    if (statSync(path).isFile()) old.disk.tamper(join(directory, name), readFileSync(path))
  }
  const heads = join(golden, 'state', 'heads')
  const [head = ''] = readdirSync(heads).filter((name) => name.endsWith('.head'))
  old.head.kept = readFileSync(join(heads, head))
  const random = new SeededRandom(SEED)
  for (let operations = 0; ; operations += 1 + random.below(6)) {
    const place = copyOf(old)
    place.disk.operationsLeft = operations
    const isWhole = await open(place).then(
      async (stele) =>
        await stele.close().then(
          () => true,
          () => false,
        ),
      () => false,
    )
    if (isWhole) place.disk.operationsLeft = Infinity
    const after = isWhole ? place : { disk: place.disk.afterPowerCut(random), head: place.head }
    const again = await open(after)
    assert.equal(again.ledgers.keyring.vkeys('heads').length, 2)
    const { keys } = again.administration.state.ledgers.get('heads')!
    assert.deepEqual(
      keys.periods.map(({ vkey }) => vkey),
      [again.ledgers.vkey('heads')],
    )
    await again.close()
    assert.deepEqual(await verdictOf(after), unchanged)
    if (isWhole) break
  }
})

test('P3: no head that the old key signs under load counts more than the rotation says, and the new one signs the rest', async () => {
  const place = await grown()
  const stele = await open(place)
  const { ledgers, administration } = stele
  const signed: { readonly ledger: string; readonly note: string }[] = []
  ledgers.onCommit(() => {
    for (const ledger of ['main', 'system', 'heads']) signed.push({ ledger, note: ledgers.checkpoint(ledger) })
  })
  const done = new AbortController()
  const load = Array.from({ length: 8 }, async (_, writer) => {
    for (let turn = 0; !done.signal.aborted; turn++) {
      await append(ledgers, 'main', [Buffer.from(`${writer} ${turn}`)])
      if (turn % 5 === 0) await ledgers.publish()
      signed.push({ ledger: 'main', note: ledgers.checkpoint('main') })
    }
  })
  for (const ledger of ['main', 'system', 'heads', 'main', 'heads']) await administration.rotateKey(ledger, 'tester')
  done.abort()
  await Promise.all(load)
  const { state } = administration
  for (const { ledger, note } of signed) await openByPeriods(Buffer.from(note), state.ledgers.get(ledger)!.keys.periods)
  assert(signed.length > 50)
  await stele.close()
  assert.deepEqual(await verdictOf(place), unchanged)
})

test('P3: whatever comes while a statement is made and signed waits until it is durable, however long that takes', async () => {
  const stele = await open(await grown())
  const { ledgers } = stele
  const done: string[] = []
  const sizes = () => ledgers.names.map((name) => ledgers.log(name).size).join()
  const alone = ledgers.appending.alone(
    'main',
    async () => {
      const before = sizes()
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
      assert.equal(sizes(), before)
      done.push('made')
      return ownBatch([Buffer.from('alone')], 'generic', 'text/plain', 'tester')
    },
    () => done.push('durable'),
  )
  const others = Array.from({ length: 9 }, async (_, at) => {
    for (let turn = 0; turn < at; turn++) await new Promise(setImmediate)
    const { first } = await append(ledgers, at % 2 === 0 ? 'main' : 'access', [Buffer.from('other')])
    done.push('other')
    return first
  })
  const committed = await alone
  await Promise.all(others)
  assert.deepEqual(done.slice(-11), ['made', 'durable', ...Array.from({ length: 9 }, () => 'other')])
  assert.equal(committed.count, 1)
  await stele.close()
})

test('P4: a fork that an old key signs is refused, above the end that its rotation names and below', async () => {
  const place = await grown()
  const thief = { heads: await stolen(place, 'heads'), main: await stolen(place, 'main') }
  const first = await open(place)
  for (const ledger of ['heads', 'main']) await first.administration.rotateKey(ledger, 'tester')
  const { periods } = first.administration.state.ledgers.get('heads')!.keys
  const end = periods[0]!.until!
  await append(first.ledgers, 'main', [Buffer.from('behind')])
  await first.close()
  const root = Buffer.alloc(32, 7)
  for (const size of [end.size - 1, end.size, end.size + 1]) {
    const forked = copyOf(place)
    forked.head.kept = Buffer.from(thief.heads.head(size, root, 1_800_000_000))
    await assert.rejects(open(forked), HeadFault, `${size}`)
    const { verdict, findings } = await verdictOf(forked)
    assert.equal(verdict, 'changed')
    assert.equal(findings[0]?.kind, 'kept-head')
    if (size > end.size) assert.match(findings[0].what, /retired at/)
  }
  // A true head of before the rotation is one still.
  const earlier = copyOf(place)
  earlier.head.kept = Buffer.from(thief.heads.head(end.size, end.root, 1_800_000_000))
  assert.deepEqual((await verdictOf(earlier)).verdict, 'unchanged')
  await (await open(earlier)).close()
  const { keys } = first.administration.state.ledgers.get('main')!
  const ending = keys.periods[0]!.until!
  const above = Buffer.from(thief.main.checkpoint(ending.size + 1, root))
  await assert.rejects(
    openByPeriods(above, keys.periods),
    (error) => error instanceof ProofError && error.code === 'key-retired',
  )
})

test('P4: with a stolen old key and the files of before, a start and verify still find the rollback', async () => {
  const place = await grown()
  const before = copyOf(place)
  const stele = await open(place)
  await stele.administration.rotateKey('heads', 'tester')
  await stele.close()
  const rolledBack = { disk: before.disk, head: place.head }
  await assert.rejects(open(rolledBack), HeadFault)
  assert.equal((await verdictOf(rolledBack)).verdict, 'changed')
  // The old key put back over the new one opens nothing either.
  const path = join(directory, 'keys', 'heads.key')
  place.disk.tamper(path, before.disk.bytes(path))
  await assert.rejects(open(place), /the seal was not made by this directory/)
})

test('P4: a key that somebody puts among those that wait is not believed, whatever it has signed', async () => {
  const place = await grown()
  const { disk } = place
  const keys = new KeyStore(disk, new SeededRandom(99), directory)
  const foreign = await keys.prepare('heads', 'stele.test/abcdefghijklm/heads', 'with ML-DSA-44')
  const path = join(directory, 'segments', '_head')
  const [line = ''] = disk.bytes(path).toString('latin1').split('\n')
  const signature = foreign.seal('seal', `${line}\n`).toString('base64')
  disk.tamper(path, Buffer.from(`${line}\n${signature}\n`))
  await assert.rejects(open(copyOf(place)), /system does not name/)
  const { verdict, findings } = await verdictOf(place)
  assert.deepEqual([verdict, findings[0]?.kind], ['changed', 'seal'])
})

test('P4: a verification beside a running server takes no rotation for a fault, whenever it reads what', async () => {
  const { disk, head } = await grown()
  const stele = await open({ disk, head })
  for (let round = 0; round < 12; round++) {
    const verify = async () => {
      const heads = [{ where: 'kept', bytes: head.kept! }]
      const { verdict, findings } = await verifyDirectory({ disk, directory, heads, isRunning: true })
      assert.deepEqual({ verdict, findings }, unchanged, `round ${round}`)
    }
    const rotate = async () => {
      for (let turn = 0; turn < 2 * round; turn++) await new Promise(setImmediate)
      for (const ledger of ['heads', 'main']) await stele.administration.rotateKey(ledger, 'tester')
    }
    await Promise.all([verify(), rotate()])
  }
  await stele.close()
  assert.deepEqual(await verdictOf({ disk, head }), unchanged)
})

test('the old private key is nowhere on the disk once it has been followed, and each follows from the first that was pinned', async () => {
  const place = await grown()
  const secrets = [keyFile(place.disk, 'heads'), keyFile(place.disk, 'main')]
  const stele = await open(place)
  const pinned = stele.ledgers.vkey('main')
  for (let turn = 0; turn < 3; turn++) {
    for (const ledger of ['heads', 'main']) {
      await stele.administration.rotateKey(ledger, 'tester')
      secrets.push(keyFile(place.disk, ledger))
    }
  }
  const inForce = new Set([keyFile(place.disk, 'heads'), keyFile(place.disk, 'main')])
  const { keys } = stele.administration.state.ledgers.get('main')!
  assert.deepEqual(
    (await verifyRotations(pinned, keys.rotations)).map(({ vkey }) => vkey),
    keys.periods.map(({ vkey }) => vkey),
  )
  await stele.close()
  const bytes = place.disk.paths.map((path) => place.disk.bytes(path))
  for (const secret of secrets.filter((text) => !inForce.has(text))) {
    const lines = secret.trimEnd().split('\n')
    assert(lines.every((line) => !bytes.some((some) => some.includes(line))))
  }
  const report = await verifyDirectory({ disk: place.disk, directory, vkeys: [pinned] })
  assert.equal(report.verdict, 'signed')
  assert.match(report.remarks.join(), /was retired at \d+ entries; signed rotations lead from it/)
})

test('P3: the published head carries the signature of the ML-DSA-44 key, and so does the one that is kept outside', async () => {
  const place = await grown()
  const stele = await open(place)
  const { ledgers } = stele
  const [vkey = '', mldsaVkey = ''] = ledgers.keyring.vkeys('heads')
  const verifiers = [ed25519Verifier(vkey), mldsa44Verifier(mldsaVkey)]
  for (const head of [ledgers.publishedHeads.last!, place.head.kept!]) {
    const { note, checkpoint } = await openCheckpoint(head, verifiers, ledgers.origin('heads'))
    assert.deepEqual(
      note.verified.map(({ verifier }) => verifier.alg),
      [1, 6],
    )
    assert.equal(checkpoint.size, ledgers.log('heads').size)
  }
  // Without anything new there is no other head, though time has passed.
  const { last } = ledgers.publishedHeads
  await ledgers.publish()
  assert.equal(ledgers.publishedHeads.last, last)
  await stele.close()
  const forged = copyOf(place)
  const lines = place.head.kept!.toString('utf8').split('\n')
  lines[5] = lines[5]!.replace(/.{8}$/, 'AAAAAAA=')
  forged.head.kept = Buffer.from(lines.join('\n'))
  assert.equal((await verdictOf(forged)).verdict, 'changed')
})
