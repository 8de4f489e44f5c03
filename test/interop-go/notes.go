// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// noteVectors are notes with the verdict of sumdb's note.Open: good ones, and each changed in one place.
func noteVectors() (any, error) {
	signer, vkey, err := logKey("a.example/log", "a")
	if err != nil {
		return nil, err
	}
	other, otherVkey, err := logKey("b.example/log", "b")
	if err != nil {
		return nil, err
	}
	text := "a.example/log\nThis is a note.\n\nIt has a blank line, and ünïcödé.\n"
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, err
	}
	both, err := note.Sign(&note.Note{Text: text}, signer, other)
	if err != nil {
		return nil, err
	}
	short, err := note.Sign(&note.Note{Text: "\n"}, signer)
	if err != nil {
		return nil, err
	}
	bom, err := note.Sign(&note.Note{Text: "\ufeffmarked\n"}, signer)
	if err != nil {
		return nil, err
	}
	line := signed[bytes.LastIndex(signed, []byte("\n\n"))+2:]
	otherLine := bytes.Replace(both, signed, nil, 1)
	swap := func(from, to string) []byte { return bytes.Replace(signed, []byte(from), []byte(to), 1) }
	repeat := func(count int) []byte { return append(bytes.Clone(signed), bytes.Repeat(otherLine, count)...) }
	encoded := strings.TrimSuffix(string(line[bytes.LastIndexByte(line, ' ')+1:]), "\n")
	cases := []struct {
		name  string
		note  []byte
		vkeys []string
	}{
		{"one signature", signed, []string{vkey}},
		{"two signatures, both known", both, []string{vkey, otherVkey}},
		{"two signatures, the first known", both, []string{vkey}},
		{"two signatures, the second known", both, []string{otherVkey}},
		{"a text of nothing but a newline", short, []string{vkey}},
		{"a byte order mark begins the text", bom, []string{vkey}},
		{"the byte order mark is gone", bytes.TrimPrefix(bom, []byte("\ufeff")), []string{vkey}},
		{"no known key", signed, []string{otherVkey}},
		{"the text was changed", swap("This", "That"), []string{vkey}},
		{"the text was changed, and another known key did not sign", swap("This", "That"), []string{vkey, otherVkey}},
		{"a newline more at the end of the text", swap("ünïcödé.\n", "ünïcödé.\n\n"), []string{vkey}},
		{"the key's id was changed", bytes.Replace(signed, line, []byte("— a.example/log AAAAAA"+encoded[6:]+"\n"), 1), []string{vkey}},
		{"the signature was changed", swap(encoded[40:44], "AAAA"), []string{vkey}},
		{"the signature is empty", swap(encoded, ""), []string{vkey}},
		{"the signature is four bytes", swap(encoded, encoded[:8]), []string{vkey}},
		{"the signature is cut", swap(encoded, encoded[:len(encoded)-4]), []string{vkey}},
		{"the signature is longer", swap(encoded, encoded[:len(encoded)-4]+"AAAAAAAA"), []string{vkey}},
		{"the padding is missing", swap(encoded, strings.TrimRight(encoded, "=")), []string{vkey}},
		{"the bits behind the end are set", swap(encoded, lastBitsSet(encoded)), []string{vkey}},
		{"a space behind the signature", swap(encoded, encoded+" "), []string{vkey}},
		{"a name with a plus", swap("— a.example/log", "— a.example+log"), []string{vkey}},
		{"a name with a space", swap("— a.example/log", "— a.example log"), []string{vkey}},
		{"a hyphen instead of the dash", swap("— ", "- "), []string{vkey}},
		{"no space behind the dash", swap("— ", "—"), []string{vkey}},
		{"no newline at the end", bytes.TrimSuffix(signed, []byte("\n")), []string{vkey}},
		{"a blank line at the end", append(bytes.Clone(signed), '\n'), []string{vkey}},
		{"no blank line", swap("ünïcödé.\n\n", "ünïcödé.\n"), []string{vkey}},
		{"no signature", signed[:len(signed)-len(line)], []string{vkey}},
		{"no text", line, []string{vkey}},
		{"empty", nil, []string{vkey}},
		{"a carriage return", swap("note.\n", "note.\r\n"), []string{vkey}},
		{"a tab", swap("This is", "This\tis"), []string{vkey}},
		{"a zero byte", swap("This is", "This\x00is"), []string{vkey}},
		{"a byte that is not UTF-8", swap("This is", "This\xffis"), []string{vkey}},
		{"a surrogate in UTF-8", swap("This is", "This\xed\xa0\x80is"), []string{vkey}},
		{"the known signature twice", append(bytes.Clone(signed), line...), []string{vkey}},
		{"99 signatures of another key behind it", repeat(99), []string{vkey}},
		{"100 signatures of another key behind it", repeat(100), []string{vkey}},
	}
	var vectors []object
	for _, one := range cases {
		var verifiers []note.Verifier
		for _, key := range one.vkeys {
			v, err := note.NewVerifier(key)
			if err != nil {
				return nil, err
			}
			verifiers = append(verifiers, v)
		}
		vector := object{"name": one.name, "note": one.note, "vkeys": one.vkeys}
		opened, err := note.Open(one.note, note.VerifierList(verifiers...))
		vector["accepted"] = err == nil
		if err != nil {
			vector["said"] = err.Error()
		} else {
			vector["text"] = opened.Text
			vector["signers"] = len(opened.Sigs)
		}
		vectors = append(vectors, vector)
	}
	return vectors, nil
}

// lastBitsSet changes bits of base64 that no byte is made of: lenient readers ignore them.
func lastBitsSet(encoded string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	digits := strings.TrimRight(encoded, "=")
	last := strings.IndexByte(alphabet, digits[len(digits)-1])
	return digits[:len(digits)-1] + string(alphabet[last|1]) + encoded[len(digits):]
}
