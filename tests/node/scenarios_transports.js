// Transports that change during a session.
'use strict'

const assert = require('node:assert')
const { sameEverywhere, undisturbed } = require('./client.js')
const { until } = require('./sim_process.js')

const ALL = ['WS-STREAMING', 'HTTP-STREAMING', 'WS-POLLING', 'HTTP-POLLING']

// Goes on to TRANSPORT, and waits until it is in use.
async function change (sim, client, transport) {
  const before = sim.events.length
  client.options.setForcedTransport(transport)
  await client.connected(transport)
  await sim.event((e) => e.event === 'bound' && e.transport === transport.toLowerCase() && sim.events.indexOf(e) >= before,
    `a bind by ${transport}`)
}

module.exports = {
  async 'every other transport, under load' (sim, client) {
    client.subscribe('MERGE', ['s1'])
    client.subscribe('RAW', ['s2'])
    client.subscribe('COMMAND', ['s3'])
    await until(() => client.subscribed === 3, 'subscriptions')
    await sim.run('rate 300')
    for (const transport of ALL) {
      if (transport === client.transport) continue
      await change(sim, client, transport)
      await sim.run('sleep 30')
      await change(sim, client, client.transport)
    }
    await sim.run('rate 0', 'wait drained')
    await sameEverywhere(sim, client, ['s1'], ['s2'], ['s3'])
    undisturbed(sim)
  },

  'there and back at once': {
    async run (sim, client) {
      client.subscribe('RAW', ['q1'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('rate 300')
      for (const transport of [...ALL, ...ALL]) {
        client.options.setForcedTransport(transport)
        await sim.run('sleep 10')
      }
      await change(sim, client, client.transport === ALL[3] ? ALL[0] : client.transport)
      client.subscribe('MERGE', ['q2'])
      await until(() => client.subscribed === 2, 'another subscription')
      await sim.run('rate 0', 'wait drained')
      await sameEverywhere(sim, client, ['q1'], ['q2'])
      undisturbed(sim)
    }
  },

  // By SYNC the client sees that it falls behind; one without a forced transport then polls.
  'a client that falls behind': {
    transports: ['WS', 'HTTP'],
    slow: true,
    options: ['--sync-ms', '100', '--session-timeout-ms', '500'],
    prepare: (client) => {
      client.connectionOptions.setSlowingEnabled(true)
      client.connectionOptions.setContentLength(1000000) // a LOOP would begin the count of time anew
    },
    async run (sim, client) {
      client.subscribe('MERGE', ['b1'])
      client.subscribe('RAW', ['b2'])
      await until(() => client.subscribed === 2, 'subscriptions')
      await client.connected(`${client.transport}-STREAMING`)
      await sim.run('rate 50', 'behind 1000000')
      await client.connected(`${client.transport}-POLLING`)
      await sim.run('behind 0', 'rate 0', 'wait drained')
      await sameEverywhere(sim, client, ['b1'], ['b2'])
      undisturbed(sim)
      assert.ok(sim.requests('force_rebind').length > 0)
      // The official client polls for as long as the session lives.
      client.client.disconnect()
      client.client.connect()
      await client.connected(`${client.transport}-STREAMING`)
    }
  },

  'a client that is not behind': {
    transports: ['WS', 'HTTP'],
    options: ['--sync-ms', '100'],
    prepare: (client) => client.connectionOptions.setSlowingEnabled(true),
    async run (sim, client) {
      client.subscribe('RAW', ['b3'])
      await client.connected(`${client.transport}-STREAMING`)
      await sim.run('wait subscribed b3', 'rate 50', 'sleep 1500', 'rate 0', 'wait drained')
      await sameEverywhere(sim, client, ['b3'])
      undisturbed(sim)
      assert.strictEqual(sim.requests('force_rebind').length, 0)
    }
  }
}
