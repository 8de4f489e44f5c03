// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// tileVectors are two logs that Tessera wrote: of a small one all files, of a large one the digest of each kind's.
func tileVectors() (any, error) {
	var vectors []object
	for _, size := range []int{300, 66_001} {
		folder, err := os.MkdirTemp("", "stele-interop-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder)
		vkey, err := writeTessera(folder, size)
		if err != nil {
			return nil, err
		}
		checkpoint, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
		if err != nil {
			return nil, err
		}
		files := object{}
		err = filepath.WalkDir(filepath.Join(folder, "tile"), func(path string, item fs.DirEntry, err error) error {
			if err != nil || item.IsDir() {
				return err
			}
			bytes, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(folder, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			if size == 300 {
				files[name] = bytes
			} else {
				sum := sha256.Sum256(bytes)
				// A quarter of a SHA-256 tells one tile from another.
				files[name] = hex.EncodeToString(sum[:8])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		vectors = append(vectors, object{"size": size, "vkey": vkey, "checkpoint": string(checkpoint), "files": files})
	}
	return vectors, nil
}

// writeTessera writes the numbered log of that size into the folder, and returns its key.
func writeTessera(folder string, size int) (string, error) {
	ctx := context.Background()
	var signer note.Signer
	signer, vkey, err := logKey("tessera.example/log", "tessera")
	if err != nil {
		return "", err
	}
	driver, err := posix.New(ctx, posix.Config{Path: folder})
	if err != nil {
		return "", err
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(uint(size), time.Minute).
		WithPushback(uint(size)+1).
		WithCheckpointInterval(100*time.Millisecond))
	if err != nil {
		return "", err
	}
	var last tessera.IndexFuture
	for index := range size {
		last = appender.Add(ctx, tessera.NewEntry(entryAt(int64(index))))
	}
	await := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
	added, checkpoint, err := await.Await(ctx, last)
	if err != nil {
		return "", err
	}
	if added.Index != uint64(size-1) || !strings.Contains(string(checkpoint), fmt.Sprintf("\n%d\n", size)) {
		return "", fmt.Errorf("the last entry is %d in %s", added.Index, checkpoint)
	}
	return vkey, shutdown(ctx)
}
