// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import rules from '../../../oxfmt.config.ts'

export default { ...rules, ignorePatterns: [] }
