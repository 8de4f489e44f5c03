// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export const must = "Must complain"
