// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Runs wrk, the load generator: it takes less of the machine than one in JavaScript would. */
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Load {
  readonly url: string
  /** Paths that are posted to in turn, instead of the one of `url`. */
  readonly paths?: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  /** Files whose contents are posted in turn. */
  readonly bodyPaths: readonly string[]
  readonly connections: number
  readonly seconds: number
  /** Folder for the script that wrk reads. */
  readonly folder: string
}

export interface LoadResult {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
}

export function wrkInstalled(): boolean {
  return spawnSync('wrk', ['--version']).error === undefined
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const script = join(load.folder, 'load.lua')
  writeFileSync(script, luaScript(load))
  const args = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '30s', '-s', script, load.url]
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const figures = /^FIGURES (.*)$/m.exec(output)?.[1]
  if (code !== 0 || figures === undefined) throw new Error(`wrk ended with ${code}: ${output}`)
  const [requests = 0, microseconds = 1, p50 = 0, p99 = 0, errors = 0] = figures.split(' ').map(Number)
  return { requestsPerSecond: (requests / microseconds) * 1e6, p50Ms: p50 / 1000, p99Ms: p99 / 1000, errors }
}

function luaScript(load: Load): string {
  const headers = Object.entries(load.headers).map(([name, value]) => `wrk.headers[${lua(name)}] = ${lua(value)}`)
  const { pathname, search } = new URL(load.url)
  const paths = load.paths ?? [pathname + search]
  return `
wrk.method = "POST"
${headers.join('\n')}
local paths = {${paths.map(lua).join(', ')}}
local requests = {}
local turn = ${randomInt(2 ** 31)}
function init(args)
  for _, path in ipairs({${load.bodyPaths.map(lua).join(', ')}}) do
    local file = io.open(path, "rb")
    local text = wrk.format(nil, "/PATH", nil, file:read("*a"))
    file:close()
    local before = text:find("/PATH", 1, true)
    local head = text:sub(1, before - 1)
    text = text:sub(before + 5)
    -- Each event's id begins with a counter: what was sent before is not stored again, here or by a peer.
    local pieces = {}
    local start = 1
    for to in text:gmatch('"properties": ?{"id":"()') do
      pieces[#pieces + 1] = text:sub(start, to - 1)
      start = to + 8
    end
    pieces[#pieces + 1] = text:sub(start)
    requests[#requests + 1] = {head, pieces}
  end
end
function request()
  turn = turn + 1
  local parts = requests[turn % #requests + 1]
  return parts[1] .. paths[turn % #paths + 1] .. table.concat(parts[2], string.format("%08x", turn))
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`
}

function lua(text: string): string {
  return JSON.stringify(text)
}
