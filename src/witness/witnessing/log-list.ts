// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The logs that a witness cosigns, as its operator names them: the `log` lines of a C2SP tlog-policy (its other lines
 * are another's business), a C2SP tlog-list (`logs/v0`, which is also how networks of witnesses hand out their logs),
 * or vkeys on the command line. Several keys of one origin are several keys of one log.
 */
import {
  ALG_ED25519,
  ALG_MLDSA44,
  ed25519Verifier,
  mldsa44Verifier,
  parseVkey,
  ProofError,
  utf8,
  type Verifier,
} from '@stele/proof'
import { WitnessFault } from './fault.ts'

const MAX_LIST_BYTES = 64 * 1024 * 1024
const SECONDS_A_DAY = 86_400
const POLICY_WORDS = ['witness', 'group', 'quorum']

export interface WitnessedLog {
  readonly origin: string
  readonly keys: readonly Verifier[]
  /** add-checkpoint requests that it may make, where its list says so. */
  readonly perSecond?: number
}

export interface LogList {
  readonly logs: readonly WitnessedLog[]
  /** Vkeys of kinds that this witness cannot check; their logs are not cosigned. */
  readonly unchecked: readonly string[]
}

interface Listed {
  readonly vkey: string
  readonly origin?: string
  readonly perSecond?: number
  /** File and line, for messages. */
  readonly where: string
}

/** The logs of vkeys whose names are the origins. Throws `WitnessFault`. */
export function logsOfVkeys(vkeys: readonly string[]): LogList {
  return gathered(vkeys.map((vkey) => ({ vkey, where: '--log' })))
}

/** The logs of a file. Throws `WitnessFault` with the line. */
export function parseLogList(text: string, path: string): LogList {
  if (text.length > MAX_LIST_BYTES) throw new WitnessFault(`${path} is longer than ${MAX_LIST_BYTES} bytes`)
  const lines = text.split('\n').flatMap((line, position) => {
    const words = line.replace(/^[ \t]+|[ \t]+$/g, '')
    return words === '' || words.startsWith('#') ? [] : [{ words, where: `${path}:${position + 1}` }]
  })
  return gathered(lines[0]?.words === 'logs/v0' ? readTlogList(lines.slice(1)) : readPolicyLogs(lines))
}

/** One list of several. An origin may stand in more than one of them; its keys are then the keys of all. */
export function joinedLists(lists: readonly LogList[]): LogList {
  const byOrigin = new Map<string, WitnessedLog>()
  for (const log of lists.flatMap(({ logs }) => logs)) {
    const before = byOrigin.get(log.origin)
    byOrigin.set(
      log.origin,
      before === undefined ? log : { ...before, ...log, keys: unique([...before.keys, ...log.keys]) },
    )
  }
  return { logs: [...byOrigin.values()], unchecked: lists.flatMap(({ unchecked }) => unchecked) }
}

interface Line {
  readonly words: string
  readonly where: string
}

function readPolicyLogs(lines: readonly Line[]): Listed[] {
  return lines.flatMap(({ words, where }) => {
    const [keyword = '', vkey, ...rest] = words.split(/[ \t]+/)
    if (POLICY_WORDS.includes(keyword)) return []
    if (keyword !== 'log' || vkey === undefined || rest.length > 1) {
      throw new WitnessFault(
        `${where}: a line is "log VKEY [URL]", as in C2SP tlog-policy, or the file begins with logs/v0`,
      )
    }
    return [{ vkey, where }]
  })
}

/** The order of lines is strict: vkey, [origin], qpd, contact. */
function readTlogList(lines: readonly Line[]): Listed[] {
  const listed: Listed[] = []
  const rest = [...lines]
  const value = (word: string): string | undefined => {
    const [key, text] = cutAtSpace(rest[0]?.words ?? '')
    return key === word && text !== '' ? (rest.shift(), text) : undefined
  }
  const demand = (word: string, where: string): string => {
    const text = value(word)
    if (text === undefined) throw new WitnessFault(`${rest[0]?.where ?? where}: a line "${word} …" is missing here`)
    return text
  }
  while (rest.length > 0) {
    const { where } = rest[0]!
    const vkey = demand('vkey', where)
    const origin = value('origin')
    const qpd = demand('qpd', where)
    if (!/^[1-9][0-9]{0,9}$/.test(qpd) || Number(qpd) >= 2 ** 31)
      throw new WitnessFault(`${where}: qpd is from 1 to 2^31 - 1`)
    demand('contact', where)
    const perSecond = Number(qpd) / SECONDS_A_DAY
    listed.push({ vkey, perSecond, where, ...(origin === undefined ? {} : { origin }) })
  }
  const origins = listed.map(({ vkey, origin }) => origin ?? vkey.slice(0, vkey.indexOf('+')))
  const twice = origins.find((origin, position) => origins.indexOf(origin) < position)
  if (twice !== undefined) throw new WitnessFault(`two logs of the list have the origin ${twice}`)
  return listed
}

function cutAtSpace(text: string): [string, string] {
  const [word = ''] = /^[^ \t]*/.exec(text) ?? []
  return [word, text.slice(word.length).replace(/^[ \t]+/, '')]
}

function gathered(listed: readonly Listed[]): LogList {
  const byOrigin = new Map<string, WitnessedLog>()
  const unchecked: string[] = []
  for (const { vkey, origin: named, perSecond, where } of listed) {
    const key = verifierOf(vkey, where)
    if (key === undefined) {
      unchecked.push(vkey)
      continue
    }
    const origin = named ?? key.name
    if (utf8(origin).length > 255) throw new WitnessFault(`${where}: an origin has at most 255 bytes`)
    const keys = unique([...(byOrigin.get(origin)?.keys ?? []), key])
    byOrigin.set(origin, { origin, keys, ...(perSecond === undefined ? {} : { perSecond }) })
  }
  return { logs: [...byOrigin.values()], unchecked }
}

/** Undefined for a key of another kind: one such log is no reason to refuse the list that it is in. */
function verifierOf(vkey: string, where: string): Verifier | undefined {
  try {
    const key = parseVkey(vkey)
    if (key.alg === ALG_ED25519) return ed25519Verifier(key)
    return key.alg === ALG_MLDSA44 ? mldsa44Verifier(key) : undefined
  } catch (error) {
    if (error instanceof ProofError) throw new WitnessFault(`${where}: ${error.message}`)
    throw error
  }
}

function unique(keys: readonly Verifier[]): Verifier[] {
  return keys.filter((key, at) => keys.findIndex(({ name, keyId }) => name === key.name && keyId === key.keyId) === at)
}
