// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Time, as everything above sees it: injected, so that tests and simulations own it. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Clock {
  /** Wall clock, Unix milliseconds; may jump. */
  wallMs(): number
  /** Milliseconds since some fixed moment; never goes back, stands still while the machine is suspended. */
  monotonicMs(): number
  /** Like `monotonicMs` but counting while suspended; undefined where the system does not tell. */
  bootMs(): number | undefined
  /** Resolves after the time, or rejects when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `tick` again and again, `intervalMs` apart, until the returned function is called. Does not keep the process alive. */
  every(intervalMs: number, tick: () => void): () => void
}

export class SystemClock implements Clock {
  wallMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  bootMs(): number | undefined {
    try {
      return Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000
    } catch {
      return undefined
    }
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await sleep(ms, undefined, signal ? { signal } : {})
  }

  every(intervalMs: number, tick: () => void): () => void {
    const timer = setInterval(tick, intervalMs)
    timer.unref()
    return () => clearInterval(timer)
  }
}

/** RFC 3339 in UTC with milliseconds, as entries write it. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

/** Unix milliseconds of an RFC 3339 time. */
export function timeMs(text: string): number {
  return Date.parse(text)
}
