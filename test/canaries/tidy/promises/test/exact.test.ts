// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { test } from 'node:test'

test('it\'s byte-identical', () => {})
