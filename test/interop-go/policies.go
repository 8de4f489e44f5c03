// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// policyVectors are policies with torchwood's verdict on each, and on a checkpoint that the log and two of three
// witnesses signed.
func policyVectors() (any, error) {
	logSigner, logVkey, err := logKey(origin, origin)
	if err != nil {
		return nil, err
	}
	_, otherVkey, err := logKey("other.example/log", "other")
	if err != nil {
		return nil, err
	}
	var witnesses []note.Signer
	var lines []string
	for _, name := range []string{"w1", "w2", "w3"} {
		signer, vkey, err := witnessKey(name + ".example")
		if err != nil {
			return nil, err
		}
		witnesses = append(witnesses, signer)
		lines = append(lines, "witness "+name+" "+vkey)
	}
	root := sha256.Sum256([]byte("a root"))
	text := headText(70_000, root)
	bare, err := note.Sign(&note.Note{Text: text}, logSigner)
	if err != nil {
		return nil, err
	}
	witnessed, err := note.Sign(&note.Note{Text: text}, logSigner, witnesses[0], witnesses[1])
	if err != nil {
		return nil, err
	}
	unsigned, err := note.Sign(&note.Note{Text: text}, witnesses[0], witnesses[1])
	if err != nil {
		return nil, err
	}
	log := "log " + logVkey
	all := append([]string{log}, lines...)
	with := func(more ...string) string {
		return strings.Join(append(append([]string{}, all...), more...), "\n") + "\n"
	}
	cases := []struct{ name, policy string }{
		{"no quorum wanted", with("quorum none")},
		{"a witness that signed", with("quorum w1")},
		{"a witness that did not sign", with("quorum w3")},
		{"any of two", with("group g any w2 w3", "quorum g")},
		{"all of two that signed", with("group g all w1 w2", "quorum g")},
		{"all of three", with("group g all w1 w2 w3", "quorum g")},
		{"two of three", with("group g 2 w1 w2 w3", "quorum g")},
		{"three of three", with("group g 3 w1 w2 w3", "quorum g")},
		{"a group in a group", with("group a any w1 w3", "group b all a w2", "quorum b")},
		{"a group in a group that is not satisfied", with("group a all w1 w2", "group b all a w3", "quorum b")},
		{"comments, blank lines and tabs", "# a policy\n\n" + strings.ReplaceAll(with("quorum\tw1"), "witness ", "witness\t")},
		{"URLs", strings.ReplaceAll(with("quorum w1"), "\nwitness w2", " https://log.example/\nwitness w2")},
		{"no newline at the end", strings.TrimSuffix(with("quorum w1"), "\n")},
		{"another log", "log " + otherVkey + "\n" + strings.Join(lines, "\n") + "\nquorum w1\n"},
		{"no quorum line", with()},
		{"two quorum lines", with("quorum w1", "quorum w2")},
		{"a quorum nobody defined", with("quorum w4")},
		{"a group of somebody not defined", with("group g any w1 w4", "quorum g")},
		{"a group before its members", log + "\ngroup g any w1 w2\n" + strings.Join(lines, "\n") + "\nquorum g\n"},
		{"a threshold of 0", with("group g 0 w1 w2", "quorum g")},
		{"a threshold above the members", with("group g 3 w1 w2", "quorum g")},
		{"a threshold that is no number", with("group g two w1 w2", "quorum g")},
		{"a group without members", with("group g any", "quorum g")},
		{"a name twice", with(lines[0], "quorum w1")},
		{"a group by the name of a witness", with("group w1 any w2 w3", "quorum w1")},
		{"an unknown keyword", with("witnesses w1", "quorum w1")},
		{"a key whose id is wrong", strings.Replace(with("quorum w1"), "w1.example+", "w1.example+0", 1)},
		{"a log's key as a witness", log + "\nwitness w " + otherVkey + "\nquorum w\n"},
	}
	var vectors []object
	for _, one := range cases {
		vector := object{"name": one.name, "policy": one.policy}
		policy, err := torchwood.ParsePolicy([]byte(one.policy))
		vector["accepted"] = err == nil
		if err == nil {
			for name, file := range map[string][]byte{"bare": bare, "witnessed": witnessed, "unsigned": unsigned} {
				_, _, err := torchwood.VerifyCheckpoint(file, policy)
				vector[name] = err == nil
			}
		}
		vectors = append(vectors, vector)
	}
	notes := object{"bare": string(bare), "witnessed": string(witnessed), "unsigned": string(unsigned)}
	return object{"notes": notes, "policies": vectors}, nil
}
