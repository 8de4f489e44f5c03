// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Must fail: typescript(prefer-promise-reject-errors)

export const refuse = async (): Promise<never> => await Promise.reject('refused')
