// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The drill cannot be held on this directory: what is wrong, and how to mend it. */
export class DrillFault extends Error {
  override readonly name: string = 'DrillFault'
}

/** The ledger that was asked for is not there. */
export class NoLedgerFault extends DrillFault {
  override readonly name = 'NoLedgerFault'
}
