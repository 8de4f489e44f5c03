// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The outline of a body that is one Zstandard frame, and the refusal of one that is not.

import { readZstdFrame, ZstdFault, type ZstdFrame } from '../platform/zstd-frame.ts'
import { Problem } from '../schema/problem.ts'
import { figure } from './figure.ts'

/** Reads the frame at the beginning of `body`; throws `malformed-compression` where there is none that is whole. */
export function zstdFrameOf(body: Buffer): ZstdFrame {
  try {
    return readZstdFrame(body)
  } catch (error) {
    if (!(error instanceof ZstdFault)) throw error
    const { message, offset } = error
    const detail = `${message} at byte ${figure(offset)} of the compressed body: send one whole zstd frame and nothing else`
    throw new Problem('malformed-compression', detail, { offset })
  }
}
