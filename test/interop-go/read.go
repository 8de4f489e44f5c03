// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"

	"filippo.io/torchwood"
	"github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// verifier reads a key of any of the three kinds, each by the package that knows it.
func verifier(vkey string) (note.Verifier, error) {
	if v, err := note.NewVerifier(vkey); err == nil {
		return v, nil
	}
	return f_note.NewVerifierForCosignatureV1(vkey)
}

// readReceipt reads one proof file three times: by torchwood, by formats with sumdb's note and tlog, and by sumdb alone
// after spicy's manner.
func readReceipt(vkey, entryPath, proofPath string) error {
	entry, err := os.ReadFile(entryPath)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(proofPath)
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
	if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), file); err != nil {
		return fmt.Errorf("torchwood: %w", err)
	}
	fmt.Println("torchwood: verified")
	var p proof.TLogProof
	if err := p.Unmarshal(file); err != nil {
		return fmt.Errorf("formats: %w", err)
	}
	if !bytes.Equal(p.Marshal(), file) {
		return fmt.Errorf("formats writes the proof otherwise than it read it")
	}
	head, _, _, err := log.ParseCheckpoint(p.Checkpoint, v.Name(), v)
	if err != nil {
		return fmt.Errorf("formats: %w", err)
	}
	hashes := make(tlog.RecordProof, 0, len(p.Hashes))
	for _, h := range p.Hashes {
		hashes = append(hashes, tlog.Hash(h))
	}
	if err := tlog.CheckRecord(hashes, int64(head.Size), tlog.Hash(head.Hash), int64(p.Index), tlog.RecordHash(entry)); err != nil {
		return fmt.Errorf("sumdb: %w", err)
	}
	fmt.Printf("formats and sumdb: verified, index %d of %d, extra %d bytes\n", p.Index, head.Size, len(p.ExtraData))
	return nil
}

func readNote(path string, vkeys []string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, vkey := range vkeys {
		v, err := verifier(vkey)
		if err != nil {
			return err
		}
		if _, err := note.Open(file, note.VerifierList(v)); err != nil {
			return fmt.Errorf("%s: %w", v.Name(), err)
		}
		fmt.Printf("%s %08x: verified\n", v.Name(), v.KeyHash())
	}
	return nil
}

func readByPolicy(policyPath, path string) error {
	text, err := os.ReadFile(policyPath)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy(text)
	if err != nil {
		return err
	}
	head, opened, err := torchwood.VerifyCheckpoint(file, policy)
	if err != nil {
		return err
	}
	fmt.Printf("torchwood: verified, size %d, %d signatures\n", head.N, len(opened.Sigs))
	return nil
}

// readLog fetches every entry by torchwood's client, which proves each by tiles of the checkpoint's tree.
func readLog(vkey, url, token string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: bearer(token)}
	fetcher, err := torchwood.NewTileFetcher(url, torchwood.WithHTTPClient(client))
	if err != nil {
		return err
	}
	ctx := context.Background()
	file, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Name()), torchwood.SingleVerifierPolicy(v))
	head, _, err := torchwood.VerifyCheckpoint(file, policy)
	if err != nil {
		return err
	}
	reader, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	var count, size int64
	for index, entry := range reader.AllEntries(ctx, head.Tree, 0) {
		if index != count {
			return fmt.Errorf("entry %d came after %d", index, count)
		}
		count++
		size += int64(len(entry))
	}
	if err := reader.Err(); err != nil {
		return err
	}
	if count != head.N {
		return fmt.Errorf("%d entries came of %d", count, head.N)
	}
	fmt.Printf("torchwood: %d entries of %d bytes, all proven\n", count, size)
	return nil
}

type bearer string

func (token bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	if token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	return http.DefaultTransport.RoundTrip(request)
}
