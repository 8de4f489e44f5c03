// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"filippo.io/torchwood"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// numberedLog holds all hashes of the log whose entry i is the text "entry i", as sumdb stores them.
type numberedLog struct{ hashes []tlog.Hash }

func entryAt(index int64) []byte { return fmt.Appendf(nil, "entry %d", index) }

func newNumberedLog(size int64) (*numberedLog, error) {
	log := &numberedLog{}
	for index := range size {
		hashes, err := tlog.StoredHashes(index, entryAt(index), log)
		if err != nil {
			return nil, err
		}
		log.hashes = append(log.hashes, hashes...)
	}
	return log, nil
}

func (log *numberedLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		hashes = append(hashes, log.hashes[index])
	}
	return hashes, nil
}

func raw[T ~[]tlog.Hash](hashes T) [][]byte {
	bytes := make([][]byte, 0, len(hashes))
	for _, hash := range hashes {
		bytes = append(bytes, hash[:])
	}
	return bytes
}

// proofVectors are roots and proofs of sumdb's tlog, and the verdict of tlog.CheckRecord and CheckTree on changed ones.
// Of most proofs only half the SHA-256 of their hashes is kept: whoever makes the same proof has the same.
func proofVectors() (any, error) {
	const small = 40
	sizes := []int64{255, 256, 257, 511, 512, 513, 4_095, 65_535, 65_536, 65_537, 66_001}
	log, err := newNumberedLog(sizes[len(sizes)-1])
	if err != nil {
		return nil, err
	}
	var roots, digests, checks []object
	for size := int64(1); size <= small; size++ {
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	for _, size := range sizes {
		root, err := tlog.TreeHash(size, log)
		if err != nil {
			return nil, err
		}
		roots = append(roots, object{"size": size, "root": root[:]})
		for _, at := range placesIn(size) {
			inclusion, err := tlog.ProveRecord(size, at, log)
			if err != nil {
				return nil, err
			}
			// ProveTree speaks of two different trees that have something in them.
			consistency := tlog.TreeProof{}
			if at > 0 {
				if consistency, err = tlog.ProveTree(size, at, log); err != nil {
					return nil, err
				}
			}
			digests = append(digests, object{
				"size": size, "at": at, "inclusion": digestOf(raw(inclusion)), "consistency": digestOf(raw(consistency)),
			})
			if size == 7 || (size == 66_001 && at == 65_536) {
				own, err := checkedProofs(log, size, at, root, inclusion, consistency)
				if err != nil {
					return nil, err
				}
				checks = append(checks, own...)
			}
		}
	}
	return object{"roots": roots, "digests": digests, "checks": checks}, nil
}

// placesIn are all indexes of a small log, and those of a large one where something changes.
func placesIn(size int64) []int64 {
	var places []int64
	for at := range size {
		isEdge := at < 2 || at > size-3 || at == size/2 || at%65_536 == 0 || at == 255 || at == 256 || at == 65_535
		if size <= 16 || isEdge {
			places = append(places, at)
		}
	}
	return places
}

func digestOf(hashes [][]byte) string {
	sum := sha256.Sum256(bytes.Join(hashes, nil))
	return hex.EncodeToString(sum[:16])
}

// checkedProofs are both proofs as they are, and changed in each place.
func checkedProofs(log *numberedLog, size, at int64, root tlog.Hash, inclusion tlog.RecordProof, consistency tlog.TreeProof) ([]object, error) {
	leaf := tlog.RecordHash(entryAt(at))
	var checks []object
	record := func(p tlog.RecordProof, size, at int64) {
		accepted := size >= 0 && at >= 0 && at < size && tlog.CheckRecord(p, size, root, at, leaf) == nil
		checks = append(checks, object{"kind": "inclusion", "size": size, "at": at, "root": root[:], "leaf": leaf[:], "hashes": raw(p), "accepted": accepted})
	}
	for _, changed := range changes(inclusion) {
		record(changed, size, at)
	}
	record(inclusion, size, at+1)
	record(inclusion, size+1, at)
	record(inclusion, 2*size, at)
	if at == 0 {
		return checks, nil
	}
	old, err := tlog.TreeHash(at, log)
	if err != nil {
		return nil, err
	}
	tree := func(p tlog.TreeProof, size, at int64) {
		accepted := tlog.CheckTree(p, size, root, at, old) == nil
		checks = append(checks, object{"kind": "consistency", "size": size, "at": at, "root": root[:], "old": old[:], "hashes": raw(p), "accepted": accepted})
	}
	for _, changed := range changes(consistency) {
		tree(changed, size, at)
	}
	tree(consistency, size+1, at)
	if at > 1 {
		tree(consistency, size, at-1)
	}
	return checks, nil
}

func changes[T ~[]tlog.Hash](p T) []T {
	all := []T{p, append(slices.Clone(p), tlog.Hash{})}
	for at := range p {
		changed := slices.Clone(p)
		changed[at][31] ^= 1
		all = append(all, changed, slices.Delete(slices.Clone(p), at, at+1))
	}
	return all
}

// proofFileVectors are tlog-proof files, with the verdict of torchwood's VerifyProof.
func proofFileVectors() (any, error) {
	const size = 300
	log, err := newNumberedLog(size)
	if err != nil {
		return nil, err
	}
	root, err := tlog.TreeHash(size, log)
	if err != nil {
		return nil, err
	}
	signer, vkey, err := logKey(origin, origin)
	if err != nil {
		return nil, err
	}
	checkpoint, err := note.Sign(&note.Note{Text: headText(size, root)}, signer)
	if err != nil {
		return nil, err
	}
	policy, err := torchwood.ParsePolicy([]byte("log " + vkey + "\nquorum none\n"))
	if err != nil {
		return nil, err
	}
	var vectors []object
	add := func(name string, index int64, file []byte) {
		err := torchwood.VerifyProof(policy, tlog.RecordHash(entryAt(index)), file)
		vectors = append(vectors, object{"name": name, "vkey": vkey, "entry": string(entryAt(index)), "file": file, "accepted": err == nil})
	}
	for _, index := range []int64{0, 255, 256, 299} {
		p, err := tlog.ProveRecord(size, index, log)
		if err != nil {
			return nil, err
		}
		add("torchwood", index, torchwood.FormatProof(index, p, checkpoint))
		add("torchwood, with extra", index, torchwood.FormatProofWithExtraData(index, []byte("extra \x00 data"), p, checkpoint))
		hashes := make([][32]byte, 0, len(p))
		for _, hash := range p {
			hashes = append(hashes, hash)
		}
		add("formats", index, proof.TLogProof{Index: uint64(index), Hashes: hashes, Checkpoint: checkpoint}.Marshal())
		add("of another entry", index+1, torchwood.FormatProof(index, p, checkpoint))
	}
	p, err := tlog.ProveRecord(size, 256, log)
	if err != nil {
		return nil, err
	}
	good := torchwood.FormatProof(256, p, checkpoint)
	swap := func(name, from, to string) { add(name, 256, bytes.Replace(good, []byte(from), []byte(to), 1)) }
	first := p[0].String()
	swap("another version", "@v1", "@v2")
	swap("no header", "c2sp.org/tlog-proof@v1\n", "")
	swap("a sign before the index", "index 256", "index +256")
	swap("a zero before the index", "index 256", "index 0256")
	swap("a negative index", "index 256", "index -256")
	swap("an index beyond 2^64", "index 256", "index 18446744073709551872")
	swap("no index", "index 256\n", "")
	swap("two indexes", "index 256\n", "index 256\nindex 256\n")
	swap("extra behind the index", "index 256\n", "index 256\nextra AAAA\n")
	swap("extra twice", "index 256\n", "extra AAAA\nextra AAAA\nindex 256\n")
	swap("extra that is not base64", "index 256\n", "extra ?\nindex 256\n")
	swap("empty extra", "index 256\n", "extra \nindex 256\n")
	swap("a carriage return", "index 256\n", "index 256\r\n")
	swap("a hash less", first+"\n", "")
	swap("a hash twice", first+"\n", first+"\n"+first+"\n")
	swap("a hash of 31 bytes", first+"\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n")
	swap("a hash with its last bits set", first+"\n", lastBitsSet(first)+"\n")
	swap("no blank line", "\n\n"+origin, "\n"+origin)
	swap("two blank lines", "\n\n"+origin, "\n\n\n"+origin)
	swap("another size", "\n300\n", "\n301\n")
	add("cut", 256, good[:len(good)-1])
	add("a newline more", 256, append(bytes.Clone(good), '\n'))
	return vectors, nil
}
