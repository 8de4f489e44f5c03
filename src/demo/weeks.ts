// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The weeks of the story, and when in them people work. All follows from `nowMs`; it starts at midnight UTC. */
import { clock, DAY_MS, HOUR_MS, isWeekend, MINUTE_MS, startOfDay, weekday } from './calendar.ts'
import type { Place } from './company.ts'
import type { Draw } from './draw.ts'

const STORY_DAYS = 35
const TUESDAY = 2
/** Days that the story goes on, at least, after the attack began. */
const DAYS_FROM_ATTACK = 4

export interface Weeks {
  readonly nowMs: number
  /** 00:00 UTC of each day. */
  readonly days: readonly number[]
  /** 00:00 UTC of the Tuesday on which the attack begins: the last that is far enough back. */
  readonly attackMs: number
}

export function weeksBefore(nowMs: number): Weeks {
  const today = startOfDay(nowMs)
  const days = Array.from({ length: STORY_DAYS + 1 }, (_, index) => today - (STORY_DAYS - index) * DAY_MS)
  const latest = today - DAYS_FROM_ATTACK * DAY_MS
  return { nowMs, days, attackMs: latest - ((weekday(latest) - TUESDAY + 7) % 7) * DAY_MS }
}

export function workdays({ days }: Weeks): number[] {
  return days.filter((day) => !isWeekend(day))
}

/** Some moment of that day's working hours at that place: mornings and afternoons, few at noon. */
export function atWork(draw: Draw, dayMs: number, place: Place): number {
  const middle = draw.chance(0.55) ? clock('10:15') : clock('14:40')
  const spread = (draw.next() + draw.next() - 1) * 2.1 * HOUR_MS
  return Math.floor(dayMs + middle + spread - place.utcOffsetHours * HOUR_MS)
}

/** When somebody opens the laptop in the morning. */
export function onArrival(draw: Draw, dayMs: number, place: Place): number {
  return Math.floor(
    dayMs + clock('08:05') + (draw.next() + draw.next()) * 45 * MINUTE_MS - place.utcOffsetHours * HOUR_MS,
  )
}
