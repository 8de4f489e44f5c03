// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The witnesses that a server asks to cosign its published head.

import { fromUtf8, MAX_POLICY_BYTES, parsePolicy } from '@stele/proof'

import { held } from './answers.ts'
import { bytesOf } from './body.ts'
import { Calls, type CallOptions } from './calls.ts'
import { untrustworthy } from './error.ts'
import { jsonOf } from './transport.ts'
import {
  readWitness,
  readWitnesses,
  type Witness,
  type Witnesses,
  type WitnessQuorum,
  type WitnessRequest,
} from './witnesses.ts'

const PATH = '/v1/witnesses'

export class WitnessesClient extends Calls {
  /** The witnesses, what they do, and the newest head that their quorum has cosigned: all of it the server's word. */
  async witnesses(options: CallOptions = {}): Promise<Witnesses> {
    return readWitnesses(await this.json('the witnesses', PATH, options))
  }

  async addWitness(request: WitnessRequest, options: CallOptions = {}): Promise<Witness> {
    const witness = readWitness(await this.post('the witness', PATH, request, options))
    const { name, vkey } = witness
    if (name !== request.name || vkey !== request.vkey || witness.url !== request.url.replace(/\/+$/, '')) {
      throw untrustworthy('the witness is not the one that was to be added')
    }
    return witness
  }

  async removeWitness(name: string, options: CallOptions = {}): Promise<Witnesses> {
    const path = `${PATH}/${encodeURIComponent(name)}`
    const answer = await this.transport.request({ method: 'DELETE', path, accept: 'application/json', ...options })
    const left = readWitnesses(jsonOf('the witnesses', answer))
    if (left.witnesses.some((witness) => witness.name === name)) throw untrustworthy(`${name} was not removed`)
    return left
  }

  async setWitnessQuorum(count: WitnessQuorum, options: CallOptions = {}): Promise<Witnesses> {
    const answer = await this.transport.request({
      method: 'PUT',
      path: `${PATH}/quorum`,
      headers: { 'content-type': 'application/json' },
      body: await bytesOf(JSON.stringify({ count })),
      isRepeatable: true,
      accept: 'application/json',
      ...options,
    })
    const witnesses = readWitnesses(jsonOf('the witnesses', answer))
    if (witnesses.quorum !== count) throw untrustworthy('the quorum was not set')
    return witnesses
  }

  /** A policy (C2SP tlog-policy) as the server has it: compare its keys with what their owners publish. */
  async witnessPolicy(options: CallOptions = {}): Promise<string> {
    const answer = await this.get(`${PATH}/policy`, 'text/plain', { ...options, maxBytes: MAX_POLICY_BYTES })
    return await held('the policy', () => {
      parsePolicy(answer.bytes)
      return fromUtf8(answer.bytes)
    })
  }
}
