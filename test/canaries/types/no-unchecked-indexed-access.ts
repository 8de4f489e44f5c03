// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS2322

export const first = (sizes: number[]): number => sizes[0]
