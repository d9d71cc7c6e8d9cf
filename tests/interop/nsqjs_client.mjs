// nsqjs publishes and consumes through nsqd.

import nsqjs from 'nsqjs'

import {
  BATCH, CHANNEL, DEADLINE_MS, DEFERRED, DEFER_MS, LATE_MESSAGES, LATE_TIMEOUT_MS, Ledger, MESSAGES, NSQD_TCP,
  REQUEUE_MS, bodyOf, sleep, verify,
} from './traffic.mjs'

// Publishes under way at once.
const PIPELINE = 100

function consume(ledger, options) {
  const reader = new nsqjs.Reader(ledger.topic, CHANNEL, { nsqdTCPAddresses: NSQD_TCP, maxInFlight: 200, ...options })
  reader.on(nsqjs.Reader.MESSAGE, (message) => {
    const action = ledger.action(message.body, message.attempts)
    if (action === 'requeue') message.requeue(REQUEUE_MS, false)
    if (action === 'finish') {
      message.touch()
      message.finish()
    }
  })
  reader.on(nsqjs.Reader.ERROR, (error) => ledger.wrong.push(`reader: ${error}`))
  reader.connect()
}

async function publish(work, late) {
  const [host, port] = NSQD_TCP.split(':')
  const writer = new nsqjs.Writer(host, Number(port))
  writer.on(nsqjs.Writer.ERROR, (error) => work.wrong.push(`writer: ${error}`))
  const ready = new Promise((resolve) => writer.on(nsqjs.Writer.READY, resolve))
  writer.connect()
  await ready
  const answered = (method, ...args) =>
    new Promise((resolve, reject) => writer[method](...args, (error) => (error ? reject(error) : resolve())))
  const bodies = (first, count) => Array.from({ length: count }, (_, index) => bodyOf(first + index))
  const half = MESSAGES / 2
  for (let first = 0; first < half; first += PIPELINE) {
    await Promise.all(
      bodies(first, PIPELINE).map((body) =>
        first < DEFERRED
          ? answered('deferPublish', work.topic, [body], DEFER_MS)
          : answered('publish', work.topic, body),
      ),
    )
  }
  for (let first = half; first < MESSAGES; first += BATCH) {
    await answered('publish', work.topic, bodies(first, BATCH))
  }
  await answered('publish', late.topic, bodies(0, LATE_MESSAGES))
}

const work = new Ledger('interop-nsqjs', MESSAGES)
const late = new Ledger('interop-nsqjs-late', LATE_MESSAGES)
consume(work, {})
consume(late, { messageTimeout: LATE_TIMEOUT_MS })
const deadline = Date.now() + DEADLINE_MS
await publish(work, late)
while (!(work.isComplete() && late.isComplete()) && Date.now() < deadline) await sleep(10)
await verify('nsqjs', work, late)
