// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export { checkFolder, type FolderReport, NoLogError } from './check-folder.ts'
export { checkUnit, type CheckedUnit, type UnitJob } from './check-unit.ts'
export { type Content, formatContentLine } from './content-line.ts'
export type { FolderFiles, FolderFinding, Hasher, OpenedFile, RowHasher } from './files.ts'
export { givenRotations, holdsRotations, mayHaveFollowed } from './given-rotations.ts'
export { contentsFirst, contentsPath, formatRange, PATHS, rotationPath, UNIT_ENTRIES } from './paths.ts'
