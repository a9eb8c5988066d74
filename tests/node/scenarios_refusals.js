// Sessions that are refused, ended or out of reach, and what the server says of itself.
'use strict'

const assert = require('node:assert')
const { sameEverywhere, recoveries } = require('./client.js')
const { until } = require('./sim_process.js')

// The client gives up, and says why.
async function ended (client, code, text) {
  await until(() => client.errors.length > 0, 'an error')
  assert.deepStrictEqual(client.errors, [`${code} ${text}`])
  await until(() => client.client.getStatus() === 'DISCONNECTED', 'the end')
}

const login = (user, password) => (client) => {
  client.connectionDetails.setUser(user)
  client.connectionDetails.setPassword(password)
}

module.exports = {
  'the right password': {
    options: ['--user', 'me & you:100%+ =pass\u00e9'],
    prepare: login('me & you', '100%+ =pass\u00e9'),
    async run (sim, client) {
      client.subscribe('MERGE', ['a1'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('burst TEST a1 5')
      await sameEverywhere(sim, client, ['a1'])
    }
  },

  'a wrong password': {
    options: ['--user', 'me:secret'],
    prepare: login('me', 'Secret'),
    unconnected: true,
    run: (sim, client) => ended(client, 1, 'User/password check failed')
  },

  'an adapter set that is not there': {
    adapterSet: 'NOWHERE',
    unconnected: true,
    run: (sim, client) => ended(client, 2, 'Requested Adapter Set not available')
  },

  'a session that the adapter refuses': {
    before: ['refuse create -17 1 "not, today | 100%"'],
    unconnected: true,
    run: (sim, client) => ended(client, -17, 'not, today | 100%')
  },

  'a session that is refused for a while': {
    before: ['refuse create 5 2 busy'],
    async run (sim, client) {
      assert.strictEqual(sim.all('refused').length, 2)
      assert.deepStrictEqual(client.errors, [])
    }
  },

  async 'sessions that are ended' (sim, client) {
    client.subscribe('RAW', ['e1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST e1 5', 'wait drained')
    await sameEverywhere(sim, client, ['e1'])
    await sim.run('wait bound', 'end 35 "one, too many"')
    await ended(client, 35, 'one, too many')
    client.client.connect()
    await until(() => client.subscribed === 2, 'the subscription again')
    await sim.run('burst TEST e1 5')
    await sameEverywhere(sim, client, ['e1'])
    client.errors.length = 0
    await sim.run('wait bound', 'end -3 bye')
    await ended(client, -3, 'bye')
  },

  async 'a server that goes away for a moment' (sim, client) {
    client.subscribe('RAW', ['g1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST g1 5', 'wait drained', 'wait bound', 'listen off', 'cut', 'drop-idle', 'burst TEST g1 5', 'sleep 100',
      'listen on')
    await until(() => recoveries(sim).length > 0, 'a recovery')
    await sim.run('wait drained', 'burst TEST g1 5')
    await sameEverywhere(sim, client, ['g1'])
    assert.strictEqual(sim.all('session').length, 1)
  },

  'a recovery that a gateway refuses at first': {
    // The client waits for seconds between two attempts.
    prepare: (client) => client.connectionOptions.setRetryDelay(500),
    async run (sim, client) {
      client.subscribe('RAW', ['g2'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('burst TEST g2 5', 'wait drained', 'refuse bind http 503', 'swallow 2', 'burst TEST g2 3')
      await until(() => recoveries(sim).length > 0, 'a recovery')
      await sim.run('wait drained', 'burst TEST g2 5')
      await sameEverywhere(sim, client, ['g2'])
      assert.strictEqual(sim.all('session').length, 1)
    }
  },

  'a rebind that is refused': {
    options: ['--session-timeout-ms', '300'], // that of the session that the client gives up
    async run (sim, client) {
      client.subscribe('RAW', ['g3'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('burst TEST g3 5', 'wait drained', 'refuse bind 20', 'loop')
      await until(() => client.subscribed === 2, 'the subscription again')
      await sim.run('burst TEST g3 5')
      await sameEverywhere(sim, client, ['g3'])
      assert.strictEqual(sim.all('session').length, 2)
    }
  },

  'a control request for a session that is over': {
    options: ['--session-timeout-ms', '300'], // that of the session that the client gives up
    async run (sim, client) {
      client.subscribe('RAW', ['g4'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('wait drained', 'wait bound', 'refuse add 20')
      client.subscribe('MERGE', ['g5'])
      await sim.event((e) => e.event === 'session' && e.number === 2, 'a new session')
      await until(() => client.subscribed === 3, 'both subscriptions')
      await sim.run('burst TEST g4 5', 'burst TEST g5 5')
      await sameEverywhere(sim, client, ['g4'], ['g5'])
    }
  },

  'what the server says of itself': {
    options: ['--server-name', 'a name', '--control-link', 'localhost'],
    async run (sim, client) {
      const details = client.client.connectionDetails
      assert.strictEqual(details.getServerSocketName(), 'a name')
      assert.strictEqual(details.getClientIp(), '127.0.0.1')
      assert.strictEqual(details.getSessionId(), sim.all('session')[0].session)
      assert.match(details.getServerInstanceAddress(), /^http:\/\/localhost:\d+\/?$/)
      client.subscribe('MERGE', ['d1'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('burst TEST d1 5', 'loop', 'wait bound', 'burst TEST d1 5')
      await sameEverywhere(sim, client, ['d1'])
      assert.strictEqual(sim.all('session').length, 1)
    }
  }
}
