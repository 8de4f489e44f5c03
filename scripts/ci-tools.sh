#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Stele authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the foreign programs that tests check Stele against, where they are missing: Debian packages as root, Go
# programs into a cache folder outside the checkout. test/tools.ts looks for them in the same places.

set -euo pipefail

packages=()
command -v chromium > /dev/null || packages+=(chromium)
command -v strace > /dev/null || packages+=(strace)
command -v wrk > /dev/null || packages+=(wrk)
if ((${#packages[@]} > 0)); then
  if [[ $(id -u) == 0 ]] && command -v apt-get > /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" > /dev/null
  else
    echo "missing, and only root can install them with apt-get: ${packages[*]}" >&2
  fi
fi

bin=${XDG_CACHE_HOME:-$HOME/.cache}/stele-tools/bin
mkdir -p "$bin"
# $1: name of the program, $2: where it comes from. The version is part of the stamp, so a new one is built.
build() {
  [[ -x $bin/$1 && $(cat "$bin/$1.from" 2> /dev/null) == "$2" ]] && return
  if ! command -v go > /dev/null; then
    echo "missing, and there is no Go to build it with: $1" >&2
    return
  fi
  GOBIN=$bin go install "$2"
  echo "$2" > "$bin/$1.from"
}
build fsck github.com/transparency-dev/tessera/cmd/fsck@v1.0.4
build posix github.com/transparency-dev/tessera/cmd/conformance/posix@v1.0.4
build hammer github.com/transparency-dev/tessera/internal/hammer@v1.0.4
