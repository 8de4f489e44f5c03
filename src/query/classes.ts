// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { ocsfClasses } from '../schema/ocsf.ts'

/** Numbers of the classes by name, as letters and digits only: `accountchange`. */
export const classes: ReadonlyMap<string, number> = new Map(
  Object.entries(ocsfClasses).map(([uid, { caption }]) => [
    caption.toLowerCase().replaceAll(/[^a-z0-9]/g, ''),
    Number(uid),
  ]),
)
