// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What any durable log over HTTP must do at least, and nothing else: `node bench/floor-server.ts PORT bare` takes bodies
 * in with node:http and answers them; with `durable FILE` it also hashes what an event's content and its leaf are hashed
 * over, and answers once one write and one fdatasync for all that came meanwhile have succeeded. It reads no JSON, knows
 * nobody, keeps no tree and forms no entry.
 */
import { hash } from 'node:crypto'
import { fdatasync, openSync, write } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { CONTENT_BYTES, frameBytes, LEAF_BYTES } from './floor-work.ts'

interface Waiting {
  readonly body: Buffer
  readonly response: ServerResponse
}

const [port, mode, path] = process.argv.slice(2)
/** As long as Stele's answer, with a checkpoint. */
const ANSWER = `{"answer":"${'x'.repeat(320)}"}`
const leaf = Buffer.alloc(LEAF_BYTES)
const file = mode === 'durable' ? openSync(path ?? '', 'w') : undefined
let position = 0
let waiting: Waiting[] = []
let isWriting = false

function answer(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length })
  response.end(ANSWER, 'latin1')
}

function take(body: Buffer, response: ServerResponse): void {
  if (file === undefined) return answer(response)
  for (let at = 0; at < body.length; at += CONTENT_BYTES) {
    hash('sha256', body.subarray(at, at + CONTENT_BYTES), 'binary')
    hash('sha256', leaf, 'binary')
  }
  waiting.push({ body, response })
  if (!isWriting) commit(file)
}

function commit(descriptor: number): void {
  const group = waiting
  waiting = []
  isWriting = group.length > 0
  if (!isWriting) return
  const frame = Buffer.allocUnsafe(frameBytes(group.reduce((sum, { body }) => sum + body.length, 0)))
  write(descriptor, frame, 0, frame.length, position, (failure) => {
    if (failure !== null) throw failure
    position += frame.length
    fdatasync(descriptor, (error) => {
      if (error !== null) throw error
      for (const { response } of group) answer(response)
      commit(descriptor)
    })
  })
}

createServer((request, response) => {
  if (request.method === 'GET') return answer(response)
  const body = Buffer.allocUnsafe(Number(request.headers['content-length']))
  let gotBytes = 0
  request.on('data', (chunk: Buffer) => {
    body.set(chunk, gotBytes)
    gotBytes += chunk.length
  })
  request.on('end', () => take(body, response))
}).listen(Number(port), '127.0.0.1')
