// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The child process in which ClickHouse runs: blocked in its library until standard input ends and everything is
 * flushed, or until the server has failed. Before that it gives up every file but those of the index, and the network:
 * ClickHouse has a function that reads any file for anybody who may ask it anything.
 */
import { DataType, load, open } from 'ffi-rs'
import { parentOfThisProcess, watchFromThread } from '../platform/children.ts'
import { confineThisThread } from '../platform/confine.ts'
import { embeddedLayout, serverArguments, SYSTEM_FILES } from './embedded-config.ts'

const parent = parentOfThisProcess()
const [library = '', directory = '', port = ''] = parent.arguments
const { configPath, usersPath, dataPath, tmpPath, readyPath } = embeddedLayout(directory)
const args = serverArguments(directory)
await watchFromThread(readyPath)
open({ library: 'clickhouse', path: library })
const unconfined = confineThisThread({
  readable: [configPath, usersPath, ...SYSTEM_FILES],
  writable: [dataPath, tmpPath],
  listenPort: Number(port),
})
if (unconfined !== undefined) parent.warn(`ClickHouse is not confined to the files of the index: ${unconfined}`)
load({
  library: 'clickhouse',
  funcName: 'chdb_query_cmdline',
  retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray],
  paramsValue: [args.length, args],
})
