// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A lock that the operating system frees when its holder dies, kill -9 included: an exclusive transaction on an
 * empty SQLite file. Node has no flock, and pid files lie in containers.
 */
import { DatabaseSync } from 'node:sqlite'

export interface Lock {
  release(): void
}

/** Takes the lock at `path`, or returns undefined where another process holds it. */
export function tryLock(path: string): Lock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && /locked|busy/i.test(error.message)) return undefined
    throw error
  }
  return {
    release() {
      database.exec('ROLLBACK')
      database.close()
    },
  }
}
