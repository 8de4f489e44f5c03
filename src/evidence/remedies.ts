// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What a finding means for whoever has to mend it, and what can be done: never more than the finding shows. */
import { concernsEntries, type Finding } from './finding.ts'

export interface Remedy {
  /** What is lost and what is not. */
  readonly meaning: string
  /** What can be done. */
  readonly remedy: string
  /** The next command to type; BACKUP stands for a copy of the directory. */
  readonly command?: string
}

export interface RemedyContext {
  /** The directory as a word of a command line. */
  readonly data: string
  /** Findings beside this one, for files that changed places. */
  readonly findings: readonly Finding[]
  /** First commit of the log that is there. */
  readonly firstCommit: number
}

const WAL = /^wal\/([0-9]{16})$/

export function remedyOf(finding: Finding, context: RemedyContext): Remedy {
  const { kind, file = '' } = finding
  if (kind === 'kept-head') return ofHead(finding, context)
  if (kind === 'cosignature') {
    return {
      meaning: 'It is a copy of what witnesses have; no entry is lost, but nobody vouches for this copy.',
      remedy: 'Keep it where it can be looked at, and start the server: it asks the witnesses again.',
      command: `mv ${context.data}/${file} ${context.data}.witnessed-head`,
    }
  }
  if (kind === 'key') return ofKey(file, context)
  if (kind === 'token') {
    return {
      meaning: 'It opens nothing; nothing is lost.',
      remedy: 'Make a token that is known, and put it there or remove the file.',
      command: `stele token create --data ${context.data} --scope admin`,
    }
  }
  if (file.startsWith('segments/')) return ofSegments(finding, context)
  if (file.startsWith('wal')) return ofLog(finding, context)
  if (file === 'derived/anchor.json' && kind === 'missing') return ofLostEnd(context)
  if (file.startsWith('derived')) return ofDerived(context)
  if (file === 'cut.json') {
    return {
      meaning: 'It is the draft of a record of what a start cut off the end of the log; no entry is lost.',
      remedy: 'Put a good copy of it back; without one, move it away: what was cut off is then not recorded.',
      command: `mv ${context.data}/cut.json ${context.data}.cut.json`,
    }
  }
  if (file === 'LOCK') {
    return {
      meaning: 'Nothing of Stele writes to it.',
      remedy: 'Remove it while no server runs; the next start makes it.',
      command: `rm ${context.data}/LOCK`,
    }
  }
  return restoreAll(context, 'What was recorded and what is here differ.')
}

function ofHead({ what, file = '', count = 0 }: Finding, context: RemedyContext): Remedy {
  if (/of other ledgers|is not a signed checkpoint/.test(what)) {
    return {
      meaning: 'It says nothing of this directory.',
      remedy: 'Name the head that is kept of this directory, or bring the directory back that this head is of.',
      command: `stele doctor --data ${context.data} --head FILE`,
    }
  }
  if (/ had .* when its head was kept/.test(what)) {
    const meaning = `The data is older than what was published: at least ${entries(count)} of heads and what they speak of are gone.`
    const whole = restoreAll(context, `${meaning} What is here can be proven up to where it ends.`)
    const older =
      'A backup that was restored for reading is older on purpose: read it, and start no server on it. Else: '
    return { ...whole, remedy: `${older}${whole.remedy.charAt(0).toLowerCase()}${whole.remedy.slice(1)}` }
  }
  return restoreAll(context, `Something below what was published was changed, or ${file} is not the head of this data.`)
}

function ofKey(file: string, { data }: RemedyContext): Remedy {
  const isOutside = file.startsWith('/')
  if (file === 'keys.json') {
    return {
      meaning: 'It says where the keys are kept; no entry is lost, and no key.',
      remedy: 'Start the server once with --keys DIR, the folder that holds them: it is noted anew.',
      command: `stele serve --data ${data} --keys DIR`,
    }
  }
  return {
    meaning: 'No entry is lost, and all can be proven; but nothing new can be signed, and the server does not start.',
    remedy: 'Put the key back from where it is kept. It cannot be made again.',
    command: isOutside
      ? `cp -p BACKUP/${file.slice(file.lastIndexOf('/') + 1)} ${file}`
      : `cp -p BACKUP/${file} ${data}/${file}`,
  }
}

function ofSegments(finding: Finding, context: RemedyContext): Remedy {
  const { kind, file = '', ledger = '', index, count = 1, what } = finding
  const { data, firstCommit } = context
  if (file === 'segments/_head') {
    return {
      meaning: 'The seal says which entries are in segments. They are files of their own: no entry is lost with it.',
      remedy: `Put the seal back from the newest copy of the directory; it must be of commit ${firstCommit - 1}.`,
      command: `cp -p BACKUP/segments/_head ${data}/segments/_head`,
    }
  }
  if (kind === 'missing' && index !== undefined) {
    const known = what.includes('tree files')
    const rest = known
      ? 'Their hashes are still in the tree files, so every other entry can be proven.'
      : `Their hashes are lost, too: what comes behind them in ${ledger} cannot be proven until they are back.`
    const name = `segments/${ledger}/${String(index - (index % 256)).padStart(16, '0')}-*`
    return {
      meaning: `${rangeOf(index, count)} of ${ledger} are not here. ${rest}`,
      remedy: 'Put both files of the segment back from any copy of the directory: segments never change.',
      command: `cp -p BACKUP/${name} ${data}/segments/${ledger}/`,
    }
  }
  if (kind === 'unexpected') {
    return {
      meaning: 'Nobody reads it: other segments hold these entries.',
      remedy: 'Remove it.',
      command: `rm -f ${data}/${file}`,
    }
  }
  const lost = index === undefined ? '' : ` ${rangeOf(index, count)} of ${ledger} cannot be relied on.`
  return {
    meaning: `The file is not what was sealed.${lost} What is not named here is as it was.`,
    remedy: 'Put that file back from any copy of the directory: segments never change, and its SHA-256 is in its name.',
    command: `cp -p BACKUP/${file} ${data}/${file}`,
  }
}

function ofLog(finding: Finding, context: RemedyContext): Remedy {
  const { kind, file = '', what, expected = '', found = '', index, count = 1, ledger } = finding
  const { data, findings } = context
  if (kind === 'unexpected' || what === 'not a file of Stele') {
    return {
      meaning: 'Nothing is lost; but a start is refused where something lies among the log that is not Stele’s.',
      remedy: 'Move it elsewhere.',
      command: `mv ${data}/${file} .`,
    }
  }
  if (what === 'the file has another name') {
    const own = walName(Number(/[0-9]+/.exec(found)?.[0] ?? 0))
    const other = findings.find((some) => some.file === own && some.what === what)
    const [here, there] = [`${data}/${file}`, `${data}/${own}`]
    const command =
      other === undefined ? `mv ${here} ${there}` : `mv ${here} ${here}.x; mv ${there} ${here}; mv ${here}.x ${there}`
    const meaning = other === undefined ? `The file is ${own}.` : `The file is ${own}: the two changed places.`
    return { meaning: `${meaning} No entry need be lost.`, remedy: 'Give it its name back.', command }
  }
  const [wanted, there] = [expected, found].map((text) => Number(/commit ([0-9]+)/.exec(text)?.[1] ?? 0)) as [
    number,
    number,
  ]
  if (/does not follow|first WAL file is missing|log behind the seal/.test(what) && (there > wanted || there === 0)) {
    const name = walName(wanted)
    const gone =
      there === 0
        ? `Commit ${wanted}, and what followed it, is not here`
        : there === wanted + 1
          ? `Commit ${wanted} is not here`
          : `Commits ${wanted} to ${there - 1} are not here`
    return {
      meaning: `${gone}, nor are the entries in ${there === wanted + 1 ? 'it' : 'them'}; what comes behind cannot be shown to follow what came before.`,
      remedy: `Put ${name} back from a copy of the directory, with the files up to ${file}; or, where they were sealed, the newest seal.`,
      command: `cp -p BACKUP/${name} ${data}/${name}`,
    }
  }
  if (what === 'there is no log') return restoreAll(context, 'There is nothing that could be verified.')
  const lost =
    index === undefined || ledger === undefined ? '' : ` ${rangeOf(index, count)} of ${ledger} cannot be relied on.`
  const name = WAL.test(file) ? file : 'wal'
  return {
    meaning: `The log was changed, or is damaged, there.${lost} What is not named here can still be proven.`,
    remedy: `Put ${name} back from a copy that is not older than it. Stele repairs nothing: nobody could tell what was recorded.`,
    command: name === 'wal' ? `cp -pR BACKUP/wal ${data}/` : `cp -p BACKUP/${name} ${data}/${name}`,
  }
}

function ofLostEnd(context: RemedyContext): Remedy {
  const meaning = 'The end of the log, which was durable once, is not here. What is here can be proven.'
  const { data } = context
  return {
    meaning,
    remedy: 'Put the newest files of the log back; nothing else has these entries.',
    command: `cp -p BACKUP/wal/* ${data}/wal/`,
  }
}

/** What was derived of more than is here shows that more was here: it must outlive whatever is done about that. */
function ofDerived({ data, findings }: RemedyContext): Remedy {
  if (findings.some(isOfMore)) {
    return {
      meaning:
        'The log is not whole, and these files are evidence of what was in it: a start that lacks them may take the rest for all.',
      remedy: 'Keep them where they are. First mend what is said of the log, the segments and the head.',
    }
  }
  return {
    meaning: 'No entry is in these files: they are made from the log and the segments.',
    remedy: 'Stop the server, move them away, and start it: it makes them again.',
    command: `mv ${data}/derived ${data}.derived`,
  }
}

function isOfMore(finding: Finding): boolean {
  return (
    concernsEntries(finding) ||
    /^(?:the file goes on behind the log|the anchor (?:has another|says something else))/.test(finding.what)
  )
}

function restoreAll({ data }: RemedyContext, meaning: string): Remedy {
  return {
    meaning,
    remedy: 'Bring back the newest copy of the whole directory, and hold it against the head: Stele repairs nothing.',
    command: `stele verify --data ${data}`,
  }
}

function walName(commit: number): string {
  return `wal/${String(commit).padStart(16, '0')}`
}

function rangeOf(index: number, count: number): string {
  return count === 1 ? `Entry ${index}` : `Entries ${index} to ${index + count - 1}`
}

function entries(count: number): string {
  return count === 1 ? '1 entry' : `${count} entries`
}
