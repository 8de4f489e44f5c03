// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: TS4111

export const port = (environment: Record<string, string>): string | undefined => environment.PORT
