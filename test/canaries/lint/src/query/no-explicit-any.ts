// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(no-explicit-any)

export const anything = (value: any): unknown => value
