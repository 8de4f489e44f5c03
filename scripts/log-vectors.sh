#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Stele authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes packages/proof/test/fixtures/go/ again by the third-party code that test/interop-go/ pins. Keys and trees are the
# same each time; Ed25519 cosignatures hold the time of the run, and ML-DSA-44 signatures are random.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go run -C test/interop-go . vectors "$PWD/packages/proof/test/fixtures/go"
