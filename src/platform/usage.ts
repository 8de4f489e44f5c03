// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What this process takes of the machine. */
export interface Usage {
  readonly residentBytes: number
  readonly heapBytes: number
  readonly cpuSeconds: number
  readonly upSeconds: number
}

export function processUsage(): Usage {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return { residentBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6, upSeconds: process.uptime() }
}
