// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must complain 2 times
import '@stele/proof'
import '../../packages/proof/src/index.ts'
