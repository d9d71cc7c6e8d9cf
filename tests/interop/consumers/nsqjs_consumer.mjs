// A consumer of nsqjs that finds its nodes by nsqlookupd, until its standard input ends. README.md says what it prints.

import readline from 'node:readline'

import nsqjs from 'nsqjs'

const { TOPIC, CHANNEL, LOOKUPD_HTTP_ADDRESSES, HEARTBEAT_SECONDS } = process.env

// Says when it has asked an nsqlookupd, whatever came of it.
class Reader extends nsqjs.Reader {
  async queryLookupd() {
    await super.queryLookupd()
    console.log('polled')
  }
}

let isHolding = false
const reader = new Reader(TOPIC, CHANNEL, {
  lookupdHTTPAddresses: LOOKUPD_HTTP_ADDRESSES.split(','),
  // The shortest that it takes.
  lookupdPollInterval: 1,
  maxInFlight: 20,
  heartbeatInterval: Number(HEARTBEAT_SECONDS),
})
reader.on(nsqjs.Reader.MESSAGE, (message) => {
  console.log(`message ${message.attempts} ${message.body}`)
  if (!isHolding) message.finish()
})
// Without a listener, the first node that is gone ends the process.
reader.on(nsqjs.Reader.ERROR, (error) => console.error(`error: ${error}`))
reader.connect()
for await (const command of readline.createInterface({ input: process.stdin })) {
  isHolding = command === 'hold'
  console.log(command)
}
process.exit(0)
