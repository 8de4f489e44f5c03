// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: oxlint-disable

// oxlint-disable-next-line no-debugger
export const nothing = 0
