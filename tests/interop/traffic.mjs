// The traffic that every client passes through nsqd, and what must come of it: traffic.py for Node.

export const MESSAGES = 10_000
export const LATE_MESSAGES = 20
export const BATCH = 100
export const DEFERRED = 100
export const DEFER_MS = 100
export const REQUEUE_MS = 50
export const LATE_TIMEOUT_MS = 1000
export const CHANNEL = 'work'
export const DEADLINE_MS = 60_000

const REQUEUE_EVERY = 100

export const NSQD_TCP = process.env.NSQD_TCP_ADDRESS
const NSQD_HTTP = process.env.NSQD_HTTP_ADDRESS

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A body that names its number and holds every kind of byte. */
export function bodyOf(number) {
  const bytes = Uint8Array.from({ length: Math.min(number % 257, 256) }, (_, index) => index)
  return Buffer.concat([Buffer.from(`${number}:`), bytes])
}

/** Counts what one topic delivers, and says what to do with each message. */
export class Ledger {
  constructor(topic, messages) {
    this.topic = topic
    this.messages = messages
    this.finished = new Set()
    this.requeued = new Set()
    this.ignored = new Set()
    this.wrong = []
  }

  /** `finish`, `requeue` or `ignore`. */
  action(body, attempts) {
    const number = Number(body.subarray(0, body.indexOf(':')).toString())
    if (!body.equals(bodyOf(number))) this.wrong.push(`message ${number} has another body than was published`)
    if (this.finished.has(number)) this.wrong.push(`message ${number} came again after it was finished`)
    const returned = this.requeued.has(number) || this.ignored.has(number)
    if (attempts !== (returned ? 2 : 1)) this.wrong.push(`message ${number} has ${attempts} attempts`)
    if (!returned && this.messages === LATE_MESSAGES && number % 2 === 0) {
      this.ignored.add(number)
      return 'ignore'
    }
    if (!returned && this.messages === MESSAGES && number % REQUEUE_EVERY === 0) {
      this.requeued.add(number)
      return 'requeue'
    }
    this.finished.add(number)
    return 'finish'
  }

  isComplete() {
    return this.finished.size >= this.messages
  }
}

/** Compares what the client counted and what nsqd counted; ends the process. */
export async function verify(client, work, late) {
  const wrong = [...work.wrong, ...late.wrong]
  for (const ledger of [work, late]) {
    if (ledger.finished.size !== ledger.messages) {
      wrong.push(`${ledger.topic}: ${ledger.finished.size} of ${ledger.messages} messages finished`)
    }
    const stats = await settledStats(ledger.topic)
    const expected = {
      message_count: ledger.messages,
      depth: 0,
      in_flight_count: 0,
      deferred_count: 0,
      requeue_count: ledger.requeued.size,
      timeout_count: ledger.ignored.size,
    }
    for (const [key, value] of Object.entries(expected)) {
      if (stats[key] !== value) wrong.push(`${ledger.topic}: ${key} is ${stats[key]}, expected ${value}`)
    }
  }
  for (const line of wrong.slice(0, 20)) console.log(`${client}: ${line}`)
  if (wrong.length === 0) {
    console.log(
      `${client}: ${MESSAGES + LATE_MESSAGES} messages published and consumed,` +
        ` ${work.requeued.size} requeued, ${late.ignored.size} timed out`,
    )
  }
  process.exit(wrong.length === 0 ? 0 : 1)
}

/** The channel's statistics, once nothing of it is under way. */
async function settledStats(topic) {
  const deadline = Date.now() + 10_000
  for (;;) {
    const response = await fetch(`http://${NSQD_HTTP}/stats?format=json&topic=${topic}&channel=${CHANNEL}`)
    const document = await response.json()
    const stats = document.topics?.[0]?.channels[0] ?? {}
    const settled = stats.depth === 0 && stats.in_flight_count === 0 && stats.deferred_count === 0
    if (settled || Date.now() > deadline) return stats
    await sleep(20)
  }
}
