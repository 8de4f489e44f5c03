// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: none: it is the entry

import { used } from './used.ts'
import undeclared from 'undeclared-dependency'

undeclared(used)
