// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"filippo.io/torchwood"
	"github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

func headText(size uint64, root [32]byte) string {
	return string(log.Checkpoint{Origin: origin, Size: size, Hash: root[:]}.Marshal())
}

// witnessKey makes torchwood's kind of key, which signs as litewitness does.
func witnessKey(name string) (*torchwood.CosignatureSigner, string, error) {
	signer, err := torchwood.NewCosignatureSigner(name, ed25519.NewKeyFromSeed(seed(name)))
	if err != nil {
		return nil, "", err
	}
	return signer, signer.Verifier().String(), nil
}

// cosignatureVectors are checkpoints with cosignatures of torchwood (Ed25519) and formats (Ed25519, ML-DSA-44), with
// the verdict of formats' verifier for the key.
func cosignatureVectors() (any, error) {
	logSigner, logVkey, err := logKey(origin, origin)
	if err != nil {
		return nil, err
	}
	wood, woodVkey, err := witnessKey("wood.example/witness")
	if err != nil {
		return nil, err
	}
	formatsSkey := "PRIVATE+KEY+formats.example/witness+00000000+" +
		base64.StdEncoding.EncodeToString(append([]byte{4}, seed("formats.example/witness")...))
	formats, err := f_note.NewSignerForCosignatureV1(formatsSkey)
	if err != nil {
		return nil, err
	}
	formatsKey, err := torchwood.NewCosignatureSigner(formats.Name(), ed25519.NewKeyFromSeed(seed(formats.Name())))
	if err != nil {
		return nil, err
	}
	lattice, latticeVkey, err := mldsaKey("lattice.example/witness")
	if err != nil {
		return nil, err
	}
	logLattice, logLatticeVkey, err := mldsaKey(origin)
	if err != nil {
		return nil, err
	}
	root := sha256.Sum256([]byte("a root"))
	signers := []struct {
		name   string
		signer note.Signer
		vkey   string
	}{
		{"torchwood, Ed25519", wood, woodVkey},
		{"formats, Ed25519", formats, formatsKey.Verifier().String()},
		{"formats, ML-DSA-44", lattice, latticeVkey},
		{"formats, ML-DSA-44, of the log itself", logLattice, logLatticeVkey},
	}
	var vectors []object
	for _, one := range signers {
		v, err := f_note.NewVerifierForCosignatureV1(one.vkey)
		if err != nil {
			return nil, err
		}
		var notes []object
		add := func(name string, file []byte) error {
			opened, err := note.Open(file, note.VerifierList(v))
			vector := object{"name": name, "note": string(file), "accepted": err == nil}
			if err == nil {
				at, err := f_note.CoSigV1Timestamp(opened.Sigs[0])
				if err != nil {
					return err
				}
				vector["time"] = at.Unix()
			}
			notes = append(notes, vector)
			return nil
		}
		for _, size := range []uint64{0, 1, 70_000, 1<<32 + 5, 1<<53 - 1} {
			head := root
			if size == 0 {
				head = sha256.Sum256(nil)
			}
			file, err := note.Sign(&note.Note{Text: headText(size, head)}, logSigner, one.signer)
			if err != nil {
				return nil, err
			}
			if err := add(fmt.Sprint("size ", size), file); err != nil {
				return nil, err
			}
			if size != 70_000 {
				continue
			}
			if err := add("of another size", bytes.Replace(file, []byte("70000"), []byte("70001"), 1)); err != nil {
				return nil, err
			}
			for _, at := range []int{4, 11, 12, -1} {
				if err := add(fmt.Sprint("byte ", at, " changed"), changedSignature(file, at)); err != nil {
					return nil, err
				}
			}
		}
		vectors = append(vectors, object{"name": one.name, "vkey": one.vkey, "notes": notes})
	}
	return object{"log": logVkey, "signers": vectors}, nil
}

// changedSignature changes one byte of the last signature of a note, counted from its key id or from its end.
func changedSignature(file []byte, at int) []byte {
	start := bytes.LastIndexByte(file, ' ') + 1
	raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSuffix(file[start:], []byte("\n"))))
	if err != nil {
		panic(err)
	}
	if at < 0 {
		at += len(raw)
	}
	raw[at] ^= 1
	return append(append(bytes.Clone(file[:start]), base64.StdEncoding.EncodeToString(raw)...), '\n')
}

// subtreeVectors are ML-DSA-44 cosignatures of subtrees by formats, with formats' verdict.
func subtreeVectors() (any, error) {
	signer, vkey, err := mldsaKey("lattice.example/witness")
	if err != nil {
		return nil, err
	}
	verifier, err := f_note.NewMLDSAVerifier(vkey)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte("a subtree"))
	var vectors []object
	for _, one := range []struct{ time, start, end uint64 }{
		{0, 0, 1}, {1_700_000_000, 0, 256}, {0, 256, 512}, {0, 1 << 40, 1<<40 + 1<<20}, {0, 1<<53 - 4, 1<<53 - 1},
	} {
		signature, err := signer.SignSubtree(one.time, origin, one.start, one.end, hash[:])
		if err != nil {
			return nil, err
		}
		var cases []object
		for _, change := range []string{"", "origin", "start", "end", "hash", "time"} {
			name, time, start, end, root := origin, one.time, one.start, one.end, hash
			switch change {
			case "origin":
				name += "2"
			case "time":
				time++
			case "start":
				start++
			case "end":
				end++
			case "hash":
				root[31] ^= 1
			}
			sig := bytes.Clone(signature)
			binary.BigEndian.PutUint64(sig, time)
			cases = append(cases, object{
				"origin": name, "time": time, "start": start, "end": end, "hash": root[:],
				"accepted": verifier.VerifySubtree(time, name, start, end, root[:], sig),
			})
		}
		// The time stands before it, and is told by each case.
		vectors = append(vectors, object{"signature": signature[8:], "cases": cases})
	}
	return object{"vkey": vkey, "subtrees": vectors}, nil
}
