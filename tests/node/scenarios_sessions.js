// A session's life: LOOPs, cuts and recoveries, sessions that are lost.
'use strict'

const assert = require('node:assert')
const { saidOf, sameEverywhere, sameSoFar, recoveries, undisturbed } = require('./client.js')
const { until } = require('./sim_process.js')

module.exports = {
  async 'a cut, and a recovery without a loss' (sim, client) {
    client.subscribe('MERGE', ['k1'])
    client.subscribe('RAW', ['k2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    for (let i = 1; i <= 3; i++) {
      await sim.run(`burst TEST k1 ${10 * i}`, 'swallow 4', 'burst TEST k2 5', 'burst TEST k1 5', 'burst TEST k2 5')
      await until(() => recoveries(sim).length >= i, 'a recovery')
      await sim.run('wait drained')
    }
    // Between two polls there is nothing to cut.
    await sim.run('burst TEST k1 20', 'wait bound', 'cut', 'burst TEST k1 20')
    await until(() => recoveries(sim).length >= 4, 'the last recovery')
    await sim.run('wait drained')
    await sameEverywhere(sim, client, ['k1'], ['k2'])
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'a recovery that repeats what was received' (sim, client) {
    client.subscribe('RAW', ['p1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST p1 20', 'wait drained', 'prog -7', 'swallow 2', 'burst TEST p1 3')
    await until(() => recoveries(sim).length > 0, 'a recovery')
    await sim.run('wait drained', 'burst TEST p1 3')
    assert.strictEqual(recoveries(sim)[0].prog, recoveries(sim)[0].recovery_from - 7)
    await sameEverywhere(sim, client, ['p1'])
  },

  async 'LOOP' (sim, client) {
    client.subscribe('MERGE', ['l1'])
    client.subscribe('RAW', ['l2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    for (let i = 0; i < 3; i++) {
      await sim.run('burst TEST l1 5', 'burst TEST l2 5', 'loop', 'burst TEST l1 5', 'burst TEST l2 5', 'wait bound')
    }
    await sameEverywhere(sim, client, ['l1'], ['l2'])
    undisturbed(sim)
  },

  async 'a stream of limited length' (sim, client) {
    client.subscribe('RAW', ['h1'])
    await until(() => client.subscribed === 1, 'a subscription')
    for (let i = 0; i < 20; i++) await sim.run('burst TEST h1 50', 'wait drained')
    await sameEverywhere(sim, client, ['h1'])
    undisturbed(sim)
    if (client.transport === 'HTTP-STREAMING') assert.ok(sim.events.filter((e) => e.cause === 'loop').length >= 3)
  },

  'the shortest streams': {
    prepare: (client) => client.connectionOptions.setContentLength(1000),
    async run (sim, client) {
      client.subscribe('RAW', ['h2'])
      client.subscribe('MERGE', ['h3'])
      await until(() => client.subscribed === 2, 'subscriptions')
      for (let i = 0; i < 20; i++) await sim.run('burst TEST h2 20', 'burst TEST h3 20', 'wait drained')
      await sameEverywhere(sim, client, ['h2'], ['h3'])
      undisturbed(sim)
      if (client.transport === 'HTTP-STREAMING') assert.ok(sim.events.filter((e) => e.cause === 'loop').length >= 20)
    }
  },

  async 'LOOPs in the middle of a burst' (sim, client) {
    client.subscribe('RAW', ['j1'])
    await until(() => client.subscribed === 1, 'a subscription')
    for (let i = 1; i <= 10; i++) await sim.run(`loop after ${i}`, 'burst TEST j1 30', 'wait drained')
    await sameEverywhere(sim, client, ['j1'])
    undisturbed(sim)
  },

  async 'a stream that is cut again and again' (sim, client) {
    client.subscribe('MERGE', ['z1'])
    client.subscribe('COMMAND', ['z2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    await sim.run('session 1', 'rate 300', 'cut after 40')
    for (let i = 1; i <= 4; i++) {
      await until(() => recoveries(sim).length >= i, `recovery ${i}`)
      await sim.run('wait bound', 'cut after 40')
    }
    await until(() => recoveries(sim).length >= 5, 'the last recovery')
    await sim.run('wait bound', 'rate 0', 'wait drained')
    await sameEverywhere(sim, client, ['z1'], ['z2'])
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'a recovery that is cut itself' (sim, client) {
    client.subscribe('RAW', ['y1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST y1 50', 'wait drained', 'swallow 30', 'burst TEST y1 30', 'cut after 10', 'burst TEST y1 20')
    await until(() => recoveries(sim).length >= 2, 'two recoveries')
    await sim.run('wait drained', 'burst TEST y1 5')
    await sameEverywhere(sim, client, ['y1'])
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'a session that is forgotten' (sim, client) {
    client.subscribe('MERGE', ['f1'])
    client.subscribe('COMMAND', ['f2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    await sim.run('burst TEST f1 5', 'burst TEST f2 5', 'wait drained')
    await sameEverywhere(sim, client, ['f1'], ['f2'])
    await sim.run('forget loop')
    await sim.event((e) => e.event === 'session' && e.number === 2, 'a new session')
    await until(() => client.subscribed === 4, 'the subscriptions again')
    await sim.run('burst TEST f1 5', 'burst TEST f2 5')
    await sameEverywhere(sim, client, ['f1'], ['f2'])
  },

  async 'a recovery that comes too late' (sim, client) {
    client.subscribe('MERGE', ['t1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST t1 5', 'wait drained', 'keep 0', 'swallow 3', 'burst TEST t1 3')
    await sim.event((e) => e.event === 'refused' && e.code === 4, 'CONERR 4')
    await until(() => client.subscribed === 2, 'the subscription again')
    await sim.run('burst TEST t1 3', 'wait drained')
    const said = saidOf(sim, ['t1'])
    await until(() => client.toldOf('t1').length === said.length - 3, 'all but what was lost')
    assert.deepStrictEqual([...client.toldOf('t1')], [...said.slice(0, 5), ...said.slice(8)])
  },

  async 'END, and a new session' (sim, client) {
    client.subscribe('RAW', ['n1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST n1 5', 'wait drained', 'end 48 Enough')
    await until(() => client.subscribed === 2, 'the subscription again')
    await sim.run('burst TEST n1 5')
    await sameEverywhere(sim, client, ['n1'])
  },

  async 'answers that are overtaken' (sim, client) {
    await sim.run('late control 300')
    client.subscribe('MERGE', ['o1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST o1 5', 'late control 0')
    await sameEverywhere(sim, client, ['o1'])
  },

  async 'many subscriptions that come and go' (sim, client) {
    const modes = ['MERGE', 'DISTINCT', 'COMMAND', 'RAW']
    const subscriptions = []
    await sim.run('rate 1000')
    for (let i = 0; i < 40; i++) subscriptions.push(client.subscribe(modes[i % 4], [`a${i}`, `b${i}`]))
    await until(() => client.subscribed === 40, 'forty subscriptions')
    for (let i = 0; i < 40; i += 2) client.client.unsubscribe(subscriptions[i])
    for (let i = 40; i < 50; i++) client.subscribe(modes[i % 4], [`a${i}`, `b${i}`])
    await until(() => client.subscribed === 50, 'ten more')
    await until(() => sim.all('unsubscribed').length === 20, 'twenty less')
    await sim.run('rate 0', 'wait drained')
    for (let i = 0; i < 50; i++) {
      if (i % 2 === 0 && i < 40) sameSoFar(sim, client, [`a${i}`, `b${i}`])
      else await sameEverywhere(sim, client, [`a${i}`, `b${i}`])
    }
    undisturbed(sim)
  },

  async 'subscriptions that come and go while the session is being recovered' (sim, client) {
    const gone = client.subscribe('MERGE', ['u1'])
    client.subscribe('RAW', ['u2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    await sim.run('burst TEST u1 5', 'burst TEST u2 5', 'wait drained', 'late bind 300', 'swallow 2', 'burst TEST u2 3')
    await sim.event((e) => e.event === 'unbound' && e.cause === 'cut', 'the cut')
    client.client.unsubscribe(gone)
    client.subscribe('COMMAND', ['u3'])
    await until(() => recoveries(sim).length > 0, 'a recovery')
    client.subscribe('MERGE', ['u4'])
    await until(() => client.subscribed === 4, 'two more')
    await sim.event((e) => e.event === 'unsubscribed' && e.items[0] === 'u1', 'one less')
    await sim.run('late bind 0', 'burst TEST u1 2', 'burst TEST u2 5', 'burst TEST u3 5', 'burst TEST u4 5', 'wait drained')
    await sameEverywhere(sim, client, ['u2'], ['u3'], ['u4'])
    sameSoFar(sim, client, ['u1'])
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'a subscription whose answer is lost with the connection' (sim, client) {
    client.subscribe('RAW', ['w1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST w1 5', 'wait drained', 'wait bound', 'swallow 2')
    client.subscribe('MERGE', ['w2']) // SUBOK and CONF are lost on their way
    await until(() => recoveries(sim).length > 0, 'a recovery')
    await until(() => client.subscribed === 2, 'the other subscription')
    await sim.run('burst TEST w1 5', 'burst TEST w2 5', 'wait drained')
    await sameEverywhere(sim, client, ['w1'], ['w2'])
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'a server that ends a subscription' (sim, client) {
    client.subscribe('MERGE', ['i1'])
    client.subscribe('MERGE', ['i2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    await sim.run('burst TEST i1 5', 'burst TEST i2 5', 'unsubscribe 1', 'burst TEST i1 5', 'burst TEST i2 5', 'wait drained')
    await sameEverywhere(sim, client, ['i1'], ['i2'])
  }
}
