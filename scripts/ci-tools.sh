#!/usr/bin/env bash
# SPDX-FileCopyrightText: The Stele authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the foreign programs that tests check Stele against, where they are missing: Debian packages as root, the rest
# into a cache folder outside the checkout. test/tools.ts looks for them in the same places. What cannot be had is said;
# a test that needs it is then skipped by name, and fails in CI.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=()
command -v chromium > /dev/null || packages+=(chromium)
command -v ssh-agent > /dev/null || packages+=(openssh-client)
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
# What test/interop-go pins, and what it does, is its stamp.
build_own() {
  local stamp
  stamp=$(cat test/interop-go/*.go test/interop-go/go.* | sha256sum)
  [[ -x $bin/stele-interop && $(cat "$bin/stele-interop.from" 2> /dev/null) == "$stamp" ]] && return
  if ! command -v go > /dev/null; then
    echo 'missing, and there is no Go to build it with: stele-interop' >&2
    return
  fi
  go build -C test/interop-go -trimpath -o "$bin/stele-interop" .
  echo "$stamp" > "$bin/stele-interop.from"
}
# Torchwood's programs are taken out of the package of Debian sid, whose list is read beside the machine's own: nothing of
# the system is changed, and nobody need be root. Fails where this is no Debian.
unpack_torchwood() {
  local folder status=0
  [[ -f /etc/apt/sources.list.d/debian.sources ]] && command -v dpkg-deb > /dev/null || return
  folder=$(mktemp -d)
  mkdir -p "$folder"/{parts,lists/partial,cache/archives/partial}
  # The first of the machine's own sources, mirror and keyring included, with the other suite.
  sed -E '/^$/,$d; s/^Types:.*/Types: deb/; s/^Suites:.*/Suites: sid/; s/^Components:.*/Components: main/' \
    /etc/apt/sources.list.d/debian.sources > "$folder/parts/sid.sources"
  (
    cd "$folder"
    apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/parts"
      -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" -o Debug::NoLocking=1
      -o APT::Sandbox::User= -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    "${apt[@]}" update && "${apt[@]}" download torchwood && dpkg-deb -x torchwood_*.deb unpacked &&
      for name in litewitness witnessctl; do install -m 755 "unpacked/usr/bin/$name" "$bin/$name"; done &&
      install -m 755 unpacked/usr/bin/spicy-torchwood "$bin/spicy"
  ) || status=1
  rm -rf "$folder"
  return "$status"
}
build fsck github.com/transparency-dev/tessera/cmd/fsck@v1.0.4
build posix github.com/transparency-dev/tessera/cmd/conformance/posix@v1.0.4
build hammer github.com/transparency-dev/tessera/internal/hammer@v1.0.4
build posix-oneshot github.com/transparency-dev/tessera/cmd/examples/posix-oneshot@v1.0.4
build_own
if [[ ! -x $bin/litewitness || ! -x $bin/witnessctl || ! -x $bin/spicy ]] && ! unpack_torchwood; then
  for name in litewitness witnessctl spicy; do build "$name" "filippo.io/torchwood/cmd/$name@v0.9.0"; done
fi
