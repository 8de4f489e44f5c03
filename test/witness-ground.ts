// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A witness over real HTTP that is as a test wants it: it checks what the document says (C2SP tlog-witness), or answers
// what no document foresees, late, or never.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

import { fromBase64, parseCheckpoint, parseNote, verifyConsistency } from '@stele/proof'

import { mldsaSigner, type TestSigner, witnessSigner } from '../packages/proof/test/signers.ts'
import type { TestServer } from './server-fixture.ts'

interface Head {
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}

/** What it answers instead; undefined where it is to be as the document says. */
export type Misbehaviour = (
  request: { readonly old: number; readonly head: Head; readonly sign: (time?: number) => string },
  response: ServerResponse,
) => boolean | Promise<boolean>

export class TestWitness {
  readonly name: string
  readonly signer: TestSigner
  url = ''
  /** The newest head that it has cosigned. */
  latest: Head | undefined
  /** Sizes that it was asked for, in order, and the old sizes that came with them. */
  readonly asked: { readonly old: number; readonly size: number }[] = []
  misbehaviour: Misbehaviour | undefined
  /** What `GET …/<hash>/checkpoint` shows; nothing where it is undefined. */
  shown: string | undefined

  constructor(name: string, kind: 'ed25519' | 'mldsa' = 'ed25519') {
    this.name = name
    this.signer = kind === 'mldsa' ? mldsaSigner(`witness.test/${name}`) : witnessSigner(`witness.test/${name}`)
  }

  static async start(
    context: Pick<TestContext, 'after'>,
    name: string,
    kind: 'ed25519' | 'mldsa' = 'ed25519',
  ): Promise<TestWitness> {
    const witness = new TestWitness(name, kind)
    const server = createServer((request, response) => {
      witness.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    witness.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/w`
    context.after(async () => {
      server.close()
      server.closeAllConnections()
      await Promise.resolve()
    })
    return witness
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') {
      response.statusCode = this.shown === undefined ? 404 : 200
      return void response.end(this.shown)
    }
    const text = (await buffer(request)).toString('utf8')
    const end = text.indexOf('\n\n')
    const [oldLine = '', ...proofLines] = text.slice(0, end).split('\n')
    const note = text.slice(end + 2)
    const { text: signed } = parseNote(Buffer.from(note))
    const { size, root } = parseCheckpoint(signed)
    const head = { size, root, note }
    const old = Number(oldLine.slice('old '.length))
    this.asked.push({ old, size })
    const sign = (time = Math.floor(Date.now() / 1_000)) => this.signer.cosign(signed, time)
    if (this.misbehaviour !== undefined && (await this.misbehaviour({ old, head, sign }, response))) return
    const latest = this.latest?.size ?? 0
    if (old !== latest) return answer(response, 409, `${latest}\n`, 'text/x.tlog.size')
    try {
      if (this.latest !== undefined)
        verifyConsistency(
          old,
          this.latest.root,
          size,
          root,
          proofLines.map((line) => fromBase64(line)),
        )
      else if (proofLines.length > 0) throw new Error('a proof of nothing')
    } catch {
      return answer(response, 422, '')
    }
    this.latest = head
    answer(response, 200, sign())
  }
}

function answer(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type })
  response.end(body)
}

/** Answers this, whatever it is asked. */
export function always(status: number, body: string): Misbehaviour {
  return (_, response) => {
    answer(response, status, body)
    return true
  }
}

export async function addWitness(server: TestServer, witness: TestWitness): Promise<void> {
  const { name, url } = witness
  await server.askJson('/v1/witnesses', { body: JSON.stringify({ name, url, vkey: witness.signer.vkey }) })
}
