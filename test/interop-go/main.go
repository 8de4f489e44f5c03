// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What code that nobody on this project wrote makes of the log formats: golang.org/x/mod/sumdb (notes, proofs),
// Tessera (tiles), transparency-dev/formats (cosignatures, proof files) and torchwood (policies, proof files). This
// program adds nothing to them but files in and files out.
package main

import (
	"fmt"
	"os"
)

const usage = `usage:
  stele-interop vectors FOLDER                 writes the vectors that test/interop-go/README.md describes
  stele-interop receipt VKEY ENTRY PROOF       reads a tlog-proof over the entry in a file
  stele-interop note NOTE VKEY...              opens a signed note by all of these keys
  stele-interop policy POLICY NOTE             opens a checkpoint by a policy
  stele-interop log VKEY URL [TOKEN]           reads all entries of a tlog-tiles log, each proven
`

func main() {
	args := os.Args[1:]
	var err error
	switch {
	case len(args) == 2 && args[0] == "vectors":
		err = writeVectors(args[1])
	case len(args) == 4 && args[0] == "receipt":
		err = readReceipt(args[1], args[2], args[3])
	case len(args) >= 3 && args[0] == "note":
		err = readNote(args[1], args[2:])
	case len(args) == 3 && args[0] == "policy":
		err = readByPolicy(args[1], args[2])
	case len(args) >= 3 && len(args) <= 4 && args[0] == "log":
		err = readLog(args[1], args[2], append(args[3:], "")[0])
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
