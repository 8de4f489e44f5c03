// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ledgers that are broken on purpose, each in one place, the way a ledger might be broken by mistake: canaries of the
// harnesses. Each must be caught by the harness that it names.

export interface BrokenLedger {
  /** Below src/. */
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly caughtBy: 'simulation' | 'crash images'
  /** Where the simulation begins to look, when it would take long from 1 on. */
  readonly seed?: number
}

export const brokenLedgers: Readonly<Record<string, BrokenLedger>> = {
  'acknowledges before the fdatasync': {
    file: 'ledger/commit.ts',
    find: 'await end.file.datasync()',
    replace: 'void end.file.datasync().catch(() => {})',
    caughtBy: 'simulation',
  },
  'never syncs the log': {
    file: 'ledger/commit.ts',
    find: 'await end.file.datasync()',
    replace: '',
    caughtBy: 'crash images',
  },
  'does not hold the log against the head outside': {
    file: 'ledger/publish.ts',
    find: 'if (checkpoint.size > heads.size) {',
    replace: 'return 0\n  if (checkpoint.size > heads.size) {',
    caughtBy: 'simulation',
  },
  'does not sync the name of a new log file': {
    file: 'ledger/wal/files.ts',
    find: "await disk.syncDirectory(join(directory, 'wal'))",
    replace: '',
    caughtBy: 'crash images',
  },
  'does not sync a file that it puts in the place of another': {
    file: 'platform/disk.ts',
    find: 'await file.write(bytes, 0)\n    await file.datasync()',
    replace: 'await file.write(bytes, 0)',
    caughtBy: 'crash images',
  },
  'puts a key in its place before its ledger is durable': {
    file: 'ledger/keys.ts',
    find: 'await replaceFile(this.#disk, this.#pendingPath(ledger), Buffer.from(text))',
    replace: 'await replaceFile(this.#disk, this.path(ledger), Buffer.from(text))',
    caughtBy: 'crash images',
  },
  'believes the wall clock when it goes back': {
    file: 'ledger/ledger-time.ts',
    find: 'this.#lastMs = Math.max(this.#lastMs, Math.floor(ms))',
    replace: 'this.#lastMs = Math.floor(ms)',
    caughtBy: 'simulation',
  },
  'goes on after a failed write': {
    file: 'ledger/commit.ts',
    find: 'this.stop(error)\n      const refusal',
    replace: 'const refusal',
    caughtBy: 'simulation',
  },
  'gives up the log before the seal is durable': {
    file: 'ledger/store/directory-store.ts',
    find: 'await replaceFile(this.#disk, join(this.where, HEAD_NAME), bytes)',
    replace: "await (await this.#disk.open(join(this.where, HEAD_NAME), 'write')).write(bytes, 0)",
    caughtBy: 'simulation',
  },
  'seals what is not durable': {
    file: 'ledger/store/directory-store.ts',
    find: 'await this.#file.datasync()',
    replace: '',
    caughtBy: 'simulation',
  },
}
