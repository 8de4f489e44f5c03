// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The page in which anybody verifies a receipt in a browser. It needs nothing of this server but to be handed out. */
import assert from 'node:assert/strict'
import type { Answer, Call, Services } from './route.ts'

export const VERIFIER_PAGE_TYPE = 'text/html; charset=utf-8'

export class VerifierPage {
  readonly answer: Answer

  /** The page's own policy goes into the header, too, with what only a header can say: nobody puts it into a frame. */
  constructor(bytes: Buffer) {
    const [, policy] = /<meta http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(bytes.toString('utf8')) ?? []
    assert(policy !== undefined, 'the verifier page has a policy')
    const headers = {
      'content-security-policy': `${policy}; frame-ancestors 'none'`,
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-cache',
    }
    this.answer = { type: VERIFIER_PAGE_TYPE, headers, body: bytes }
  }
}

export function readVerifierPage(_call: Call<undefined, undefined, undefined>, { verifierPage }: Services): Answer {
  return verifierPage.answer
}
