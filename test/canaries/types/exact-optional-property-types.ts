// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS2375

export const place: { offset?: number } = { offset: undefined }
