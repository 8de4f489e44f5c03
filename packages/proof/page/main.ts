// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verifier page: takes an event, its receipt and what is trusted, and shows the verdict. It reads what it is given
// and nothing else: its policy (page.html) lets the browser make no request at all.

import { printable } from '../folder/printable.ts'
import {
  MAX_EVENT_BYTES,
  MAX_POLICY_BYTES,
  MAX_PROOF_BYTES,
  ProofError,
  fromUtf8,
  verifyReceipt,
} from '../src/index.ts'
import type { Report, Trust } from '../src/index.ts'
import { readTrust, slotOf, withRotations, type Given, type Slot } from './inputs.ts'
import { countText, readReport, type Circumstances } from './verdict.ts'
import { byId, showNotice, showSubject, showVerdict } from './view.ts'

/** No longer than that are the rotations of any log. */
const MAX_ROTATIONS_BYTES = 16_000_000

const LIMITS: Readonly<Record<Slot, number>> = {
  event: MAX_EVENT_BYTES,
  // A witnessed receipt is two.
  receipt: 2 * MAX_PROOF_BYTES,
  trust: MAX_POLICY_BYTES,
  rotations: MAX_ROTATIONS_BYTES,
}
const LARGEST = Math.max(...Object.values(LIMITS))
const SLOTS = ['event', 'receipt', 'trust', 'rotations'] as const

const WORDS: Readonly<Record<Slot, string>> = {
  event: 'the event',
  receipt: 'the receipt',
  trust: 'a key or a policy',
  rotations: 'the rotations',
}

class VerifierPage {
  readonly #given: { event?: Given; receipt?: Given; rotations?: Given } = {}
  readonly #trust = byId('trust', HTMLTextAreaElement)
  readonly #verdict = byId('verdict', HTMLElement)
  /** One change after another, so that what was given last is what counts. */
  #queue = Promise.resolve()
  #queuedCount = 0

  start(): void {
    for (const slot of SLOTS) {
      const input = byId(`${slot}-file`, HTMLInputElement)
      input.addEventListener('change', () => {
        const files = [...(input.files ?? [])]
        this.#work(async () => await this.#take(files, slot))
      })
    }
    this.#trust.addEventListener('input', () => {
      byId('trust-file', HTMLInputElement).value = ''
      this.#work()
    })
    document.addEventListener('dragover', (event) => {
      event.preventDefault()
      document.body.classList.add('dragged')
    })
    document.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) document.body.classList.remove('dragged')
    })
    document.addEventListener('drop', (event) => this.#drop(event))
    globalThis.addEventListener('beforeprint', () => openDetails(this.#verdict))
    this.#work()
  }

  /**
   * Makes a change and verifies anew, unless another change waits already. A failure leaves no verdict, which would be
   * that of other files.
   */
  #work(change: () => Promise<void> = async () => {}): void {
    this.#count(1)
    const previous = this.#queue
    const next = async () => {
      await previous
      try {
        await change()
        if (this.#queuedCount === 1) await this.#verify()
      } catch (error) {
        delete this.#verdict.dataset['mark']
        showNotice(this.#verdict, `The page has failed and says nothing of these files: ${printable(String(error))}`)
      }
      this.#count(-1)
    }
    this.#queue = next()
  }

  #count(more: number): void {
    this.#queuedCount += more
    this.#verdict.setAttribute('aria-busy', String(this.#queuedCount > 0))
  }

  /** A file that is dropped on a place is for that place; beside them its bytes say which it is for. */
  #drop(event: DragEvent): void {
    // Without this the browser would open the file and leave the page.
    event.preventDefault()
    document.body.classList.remove('dragged')
    const files = [...(event.dataTransfer?.files ?? [])]
    const place = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-slot]') : null
    const slot = files.length === 1 ? SLOTS.find((slot) => slot === place?.dataset['slot']) : undefined
    const text = event.dataTransfer?.getData('text/plain') ?? ''
    if (files.length > 0) this.#work(async () => await this.#take(files, slot))
    else if (text !== '' && place?.dataset['slot'] === 'trust') {
      this.#trust.value = text
      this.#work()
    }
  }

  async #take(files: readonly File[], slot?: Slot): Promise<void> {
    const notices: string[] = []
    const taken = new Map<Slot, string>()
    for (const file of files) {
      const { given, notice = '' } = await read(file, slot)
      const to = given === undefined ? undefined : (slot ?? slotOf(given.bytes))
      const earlier = to === undefined ? undefined : taken.get(to)
      if (given === undefined || to === undefined) notices.push(notice)
      else if (earlier === undefined) {
        taken.set(to, given.name)
        notices.push(this.#put(to, given))
        showFile(to, file)
      } else {
        const name = printable(given.name)
        notices.push(`${name} was not taken: ${printable(earlier)} is ${WORDS[to]} already. Drop it on its place.`)
      }
    }
    showNotice(byId('notice', HTMLElement), notices.join(' '))
  }

  /** Puts what was given in its place; what is wrong with it, or nothing. */
  #put(slot: Slot, given: Given): string {
    if (slot !== 'trust') {
      this.#given[slot] = given
      return ''
    }
    try {
      this.#trust.value = fromUtf8(given.bytes)
      return ''
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      return `${printable(given.name)} holds no text, so it is neither a key nor a policy.`
    }
  }

  async #verify(): Promise<void> {
    const { event, receipt, rotations } = this.#given
    const field = readTrustField(this.#trust.value)
    this.#sayTrust(field.notice)
    const led = leadOn(field.trust, rotations)
    showNotice(byId('rotations-notice', HTMLElement), led.notice ?? '')
    const { trust } = led
    const notice = field.notice ?? led.notice
    if (event === undefined || receipt === undefined || notice !== undefined) {
      this.#sayWhatIsMissing(field.notice, led.notice)
      return
    }
    const outcome = await verify(event, receipt, trust)
    if (typeof outcome === 'string') {
      this.#sayTrust(outcome)
      this.#sayWhatIsMissing(outcome)
      return
    }
    showVerdict(this.#verdict, readReport(outcome.report, event.name, outcome))
    showSubject(
      this.#verdict,
      { event, receipt, trust: this.#trust.value, ...(rotations === undefined ? {} : { rotations }) },
      outcome.report,
    )
  }

  #sayTrust(notice: string | undefined): void {
    showNotice(byId('trust-notice', HTMLElement), notice ?? '')
    this.#trust.setAttribute('aria-invalid', String(notice !== undefined))
  }

  #sayWhatIsMissing(notice: string | undefined, rotationsNotice?: string): void {
    const { event, receipt } = this.#given
    const missing = [
      ...(event === undefined ? ['the event'] : []),
      ...(receipt === undefined ? ['its receipt'] : []),
      ...(notice === undefined ? [] : ['a key or a policy that can be read']),
      ...(rotationsNotice === undefined ? [] : ['rotations that can be used, or none']),
    ]
    delete this.#verdict.dataset['mark']
    const text = document.createElement('p')
    text.textContent = `Still missing: ${missing.join(' and ')}.`
    this.#verdict.replaceChildren(text)
  }
}

async function read(file: File, slot: Slot | undefined): Promise<{ given?: Given; notice?: string }> {
  const name = printable(file.name)
  const limit = slot === undefined ? LARGEST : LIMITS[slot]
  if (file.size > limit) return { notice: `${name} was not read: it has more than ${countText(limit)} bytes.` }
  try {
    return { given: { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) } }
  } catch {
    return { notice: `${name} could not be read: is it a folder, or was it moved or changed since you chose it?` }
  }
}

/** Names a dropped file where a chosen one is named. */
function showFile(slot: Slot, file: File): void {
  const files = new DataTransfer()
  files.items.add(file)
  byId(`${slot}-file`, HTMLInputElement).files = files.files
}

function readTrustField(text: string): { trust?: Trust; notice?: string } {
  try {
    const trust = readTrust(text)
    return trust === undefined ? {} : { trust }
  } catch (error) {
    if (error instanceof ProofError) return { notice: trustNotice(error) }
    throw error
  }
}

function leadOn(trust: Trust | undefined, rotations: Given | undefined): { trust?: Trust; notice?: string } {
  try {
    const led = withRotations(trust, rotations?.bytes)
    return led === undefined ? {} : { trust: led }
  } catch (error) {
    if (error instanceof ProofError) return { notice: printable(`These rotations cannot be used: ${error.message}.`) }
    throw error
  }
}

function trustNotice({ message, place }: ProofError): string {
  const line = place.line === undefined ? '' : `line ${place.line}: `
  return printable(`This cannot be used: ${line}${message}.`)
}

/**
 * What the verifier says; where this browser checks no signatures, what it says of all else, and why. A text where what
 * is trusted is no use.
 */
async function verify(
  { bytes: event }: Given,
  { bytes: receipt }: Given,
  trust: Trust | undefined,
): Promise<({ readonly report: Report } & Circumstances) | string> {
  const trusted = trust === undefined ? 'nothing' : 'quorum' in trust ? 'policy' : 'key'
  const withoutTrust = async (hindrance: NonNullable<Circumstances['hindrance']>) => {
    return { report: await verifyReceipt(event, receipt), trusted, hindrance } as const
  }
  // Browsers hide it from pages that came over plain HTTP, whatever the types say.
  const { subtle } = crypto as { readonly subtle?: SubtleCrypto }
  if (trust !== undefined && subtle === undefined) return await withoutTrust('no WebCrypto')
  try {
    return { report: await verifyReceipt(event, receipt, trust), trusted }
  } catch (error) {
    if (error instanceof ProofError) return trustNotice(error)
    if (error instanceof DOMException && error.name === 'NotSupportedError') return await withoutTrust('no Ed25519')
    throw error
  }
}

function openDetails(place: HTMLElement): void {
  for (const details of place.querySelectorAll('details')) details.open = true
}

new VerifierPage().start()
