// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The worker thread of a verification of a folder: checks units of it, whose files it reads itself. */
import { checkUnit, type UnitJob } from '@stele/proof/folder'
import { NodeFolderFiles } from '@stele/proof/node-files'
import { rowHasher } from '../platform/row-hasher.ts'
import { answerJobs } from '../platform/workers.ts'
import { platformHasher } from '../ledger/hash-nodes.ts'

export interface FolderJob {
  readonly folder: string
  readonly unit: UnitJob
}

const hasher = platformHasher(rowHasher())

answerJobs((job) => {
  const { folder, unit } = job as FolderJob
  return { answer: checkUnit(new NodeFolderFiles(folder), hasher, unit), moved: [] }
})
