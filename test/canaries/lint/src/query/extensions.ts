// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: import(extensions) ×2

export { empty } from './eqeqeq'
export { one } from './no-cycle.js'
