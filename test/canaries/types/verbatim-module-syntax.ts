// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS1484

import { BinaryLike } from 'node:crypto'

export const digest = (bytes: BinaryLike): unknown => bytes
