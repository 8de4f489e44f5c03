// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Whether somebody holds a lock of lock.ts, seen without taking or changing it: works on a read-only file, too. */
import { DatabaseSync } from 'node:sqlite'

export function isHeld(path: string): boolean {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 0 })
    // A read takes a shared lock, for a moment, which an exclusive one forbids.
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return false
  } catch (error) {
    if (error instanceof Error && /locked|busy/i.test(error.message)) return true
    // No file, or one that is no lock's: nobody can hold it.
    if (error instanceof Error && /unable to open|not a database|malformed/i.test(error.message)) return false
    throw error
  } finally {
    database?.close()
  }
}
