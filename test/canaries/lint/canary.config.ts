// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import rules from '../../../oxlint.config.ts'

export default { ...rules, ignorePatterns: [] }
