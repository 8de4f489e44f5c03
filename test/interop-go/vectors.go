// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"filippo.io/mldsa"
	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

const origin = "vectors.example/log"

type object = map[string]any

// writeVectors writes one file a kind. Keys come from seeds; cosignatures hold the time of the run.
func writeVectors(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	kinds := map[string]func() (any, error){
		"notes":        noteVectors,
		"cosignatures": cosignatureVectors,
		"subtrees":     subtreeVectors,
		"proofs":       proofVectors,
		"proof-files":  proofFileVectors,
		"policies":     policyVectors,
		"tiles":        tileVectors,
	}
	for name, vectorsOf := range kinds {
		vectors, err := vectorsOf()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := json.MarshalIndent(object{"madeBy": madeBy(), "vectors": vectors}, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// madeBy names the modules that this program was built from.
func madeBy() []string {
	info, _ := debug.ReadBuildInfo()
	var modules []string
	for _, module := range info.Deps {
		for _, path := range []string{"golang.org/x/mod", "filippo.io/", "github.com/transparency-dev/"} {
			if strings.HasPrefix(module.Path, path) {
				modules = append(modules, module.Path+" "+module.Version)
			}
		}
	}
	return modules
}

func seed(name string) []byte {
	sum := sha256.Sum256([]byte("stele vectors: " + name))
	return sum[:]
}

// logKey makes a key of sumdb's kind out of a name.
func logKey(name, seedName string) (note.Signer, string, error) {
	private := ed25519.NewKeyFromSeed(seed(seedName))
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, "", err
	}
	hash := strings.Split(vkey, "+")[1]
	material := base64.StdEncoding.EncodeToString(append([]byte{1}, seed(seedName)...))
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, hash, material))
	return signer, vkey, err
}

// mldsaKey makes an ML-DSA-44 key of formats' kind out of a name.
func mldsaKey(name string) (*f_note.SubtreeSigner, string, error) {
	material := append([]byte{6}, seed(name)...)
	skey := fmt.Sprintf("PRIVATE+KEY+%s+00000000+%s", name, base64.StdEncoding.EncodeToString(material))
	signer, err := f_note.NewMLDSASigner(skey)
	if err != nil {
		return nil, "", err
	}
	private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed(name))
	if err != nil {
		return nil, "", err
	}
	public := append([]byte{6}, private.PublicKey().Bytes()...)
	vkey := fmt.Sprintf("%s+%08x+%s", name, signer.KeyHash(), base64.StdEncoding.EncodeToString(public))
	return signer, vkey, nil
}
