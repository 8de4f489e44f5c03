// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must complain
import type { Row } from '../http/routes.ts'

export const path = (row: Row): string => row.path
