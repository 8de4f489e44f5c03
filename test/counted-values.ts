// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an event is counted by: of whom and what has several names the one that it goes by, else every value.

import type { SearchDocument } from '../src/query/document.ts'
import { valuesOf } from '../src/query/evaluate.ts'
import type { FieldName } from '../src/query/fields.ts'

export function countedValues(field: FieldName, document: SearchDocument, ledger: string): readonly string[] {
  if (field === 'actor') return document.actorNames
  if (field === 'target') return document.targetNames
  return field === 'app' ? document.appNames : valuesOf(field, document, ledger)
}
