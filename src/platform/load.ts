// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { performance } from 'node:perf_hooks'

/** How busy the event loop of this thread is: what is returned says, from 0 to 1, for the time since it was called last. */
export function busyShareOfThread(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}

/** The processor's time that this process has used so far, of all its threads. */
export function cpuMsOfProcess(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
