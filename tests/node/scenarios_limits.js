// What is asked for and what is granted: frequencies, bandwidth, keep-alives, signs of life.
'use strict'

const assert = require('node:assert')
const { sameEverywhere, undisturbed } = require('./client.js')
const { until } = require('./sim_process.js')

const STREAMING = ['WS-STREAMING', 'HTTP-STREAMING']

const updates = (client, item) => client.toldOf(item).filter((e) => e.kind === 'update').length

// How many updates of ITEM come within MS.
async function within (sim, client, item, ms) {
  const before = updates(client, item)
  const began = Date.now()
  await sim.run(`sleep ${ms}`)
  return { n: updates(client, item) - before, ms: Date.now() - began }
}

module.exports = {
  async 'a frequency limit' (sim, client) {
    client.subscribe('MERGE', ['q1'], { frequency: 20 })
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST q1 100', 'sleep 120')
    await sameEverywhere(sim, client, ['q1'])
    assert.ok(updates(client, 'q1') < 5)
    assert.deepStrictEqual(client.toldOf('q1').frequencies, ['20'])
  },

  async 'a frequency that is changed' (sim, client) {
    const subscription = client.subscribe('MERGE', ['q2'])
    await until(() => client.toldOf('q2').frequencies.length === 1, 'the frequency')
    await sim.run('rate 200')
    for (const [asked, granted] of [[10, '10'], [2.5, '2.5'], [20, '20']]) {
      subscription.setRequestedMaxFrequency(asked)
      await until(() => client.toldOf('q2').frequencies.at(-1) === granted, `a frequency of ${granted}`)
      const { n, ms } = await within(sim, client, 'q2', 500)
      assert.ok(n <= asked * ms / 1000 + 2, `${n} updates in ${ms} ms at ${asked}/s`)
      assert.ok(n > 0)
    }
    subscription.setRequestedMaxFrequency('unlimited')
    await until(() => client.toldOf('q2').frequencies.at(-1) === 'unlimited', 'no limit')
    const { n } = await within(sim, client, 'q2', 500)
    assert.ok(n > 40, `${n} updates without a limit`)
    await sim.run('rate 0', 'wait drained')
    await sameEverywhere(sim, client, ['q2'])
    assert.strictEqual(sim.requests('reconf').length, 4)
    undisturbed(sim)
  },

  async 'a frequency that the server changes' (sim, client) {
    client.subscribe('MERGE', ['q3'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('conf 1 3.5')
    await until(() => client.toldOf('q3').frequencies.at(-1) === '3.5', 'the frequency')
    await sim.run('burst TEST q3 20', 'sleep 350', 'wait drained')
    await sameEverywhere(sim, client, ['q3'])
    assert.ok(updates(client, 'q3') <= 3)
  },

  async 'a frequency lower than asked for' (sim, client) {
    await sim.run('grant frequency 3')
    client.subscribe('MERGE', ['q4'])
    const other = client.subscribe('MERGE', ['q5'], { frequency: 2 })
    await until(() => ['q4', 'q5'].every((item) => client.toldOf(item).frequencies.length > 0), 'frequencies')
    assert.deepStrictEqual([client.toldOf('q4').frequencies, client.toldOf('q5').frequencies], [['3'], ['2']])
    other.setRequestedMaxFrequency(50)
    await until(() => client.toldOf('q5').frequencies.length > 1, 'the frequency')
    assert.deepStrictEqual(client.toldOf('q5').frequencies, ['2', '3'])
    await sim.run('burst TEST q4 20', 'burst TEST q5 20', 'sleep 350', 'wait drained')
    await sameEverywhere(sim, client, ['q4'], ['q5'])
  },

  async 'no filter' (sim, client) {
    client.subscribe('MERGE', ['q6'], { frequency: 'unfiltered' })
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST q6 100')
    await sameEverywhere(sim, client, ['q6'])
    assert.strictEqual(updates(client, 'q6'), 100)
    assert.deepStrictEqual(client.toldOf('q6').frequencies, ['unlimited'])
  },

  async 'the frequency of each key' (sim, client) {
    client.subscribe('COMMAND', ['q7'], { frequency: 5 })
    await until(() => client.subscribed === 1, 'a subscription')
    for (const key of ['a', 'b']) {
      await sim.run(`update TEST q7 key=${key} command=ADD`)
      for (let i = 0; i < 10; i++) await sim.run(`update TEST q7 key=${key} command=UPDATE number=${i}`)
    }
    await sim.run('update TEST q7 key=b command=DELETE', 'sleep 450', 'wait drained')
    await sameEverywhere(sim, client, ['q7'])
    // What was held back of b's is gone with it; of a's the last came.
    assert.strictEqual(client.toldOf('q7').filter((e) => e.fields && e.fields.key === 'a').at(-1).fields.number, '9')
  },

  async 'a bandwidth that is changed' (sim, client) {
    client.subscribe('RAW', ['w1'])
    client.subscribe('MERGE', ['w2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    const real = () => client.options.getRealMaxBandwidth()
    assert.strictEqual(real(), 'unlimited')
    client.options.setRequestedMaxBandwidth(24)
    await until(() => real() === '24' || real() === '24.0', `a bandwidth of 24, not ${real()}`)
    await sim.run('rate 500')
    // 3 kB a second, of lines that have some twenty bytes at least.
    const { n, ms } = await within(sim, client, 'w1', 700)
    assert.ok(n > 0 && n < 3 * (ms + 300) / 20, `${n} updates in ${ms} ms`)
    client.options.setRequestedMaxBandwidth('unlimited')
    await until(() => real() === 'unlimited', 'no limit')
    assert.ok((await within(sim, client, 'w1', 300)).n > 30)
    await sim.run('rate 0', 'wait drained')
    await sameEverywhere(sim, client, ['w1'], ['w2'])
    assert.strictEqual(sim.requests('constrain').length, 2)
    assert.ok(client.properties.includes('realMaxBandwidth'))
    undisturbed(sim)
  },

  'a bandwidth from the start': {
    prepare: (client) => client.connectionOptions.setRequestedMaxBandwidth(12.5),
    async run (sim, client) {
      client.subscribe('MERGE', ['w3'])
      await until(() => client.subscribed === 1, 'a subscription')
      assert.strictEqual(client.options.getRealMaxBandwidth(), '12.5')
      await sim.run('rate 500', 'sleep 300', 'rate 0', 'wait drained')
      await sameEverywhere(sim, client, ['w3'])
    }
  },

  async 'a bandwidth lower than asked for' (sim, client) {
    const real = () => client.options.getRealMaxBandwidth()
    await sim.run('grant bandwidth 30')
    client.options.setRequestedMaxBandwidth(100)
    await until(() => real() === '30' || real() === '30.0', 'the bandwidth')
    await sim.run('grant bandwidth unmanaged')
    client.options.setRequestedMaxBandwidth(50)
    await until(() => real() === 'unmanaged', 'no management')
    await sim.run('grant bandwidth off')
    client.subscribe('MERGE', ['w4'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST w4 10')
    await sameEverywhere(sim, client, ['w4'])
  },

  'short keep-alives': {
    transports: STREAMING,
    prepare: (client) => client.connectionOptions.setKeepaliveInterval(200),
    async run (sim, client) {
      client.subscribe('MERGE', ['a1'])
      await until(() => client.subscribed === 1, 'a subscription')
      assert.strictEqual(client.options.getKeepaliveInterval(), 200)
      client.options.setStalledTimeout(300)
      client.options.setReconnectTimeout(300)
      await sim.run('sleep 1000')
      client.options.setKeepaliveInterval(400) // from the next bind on
      await sim.run('loop', 'wait bound')
      await until(() => sim.requests('bind_session').at(-1).lines.includes('LS_keepalive_millis=400'), 'the new time')
      await sim.run('sleep 1000', 'burst TEST a1 5')
      await sameEverywhere(sim, client, ['a1'])
      undisturbed(sim)
    }
  },

  'a stream that stalls': {
    transports: STREAMING,
    prepare: (client) => {
      client.connectionOptions.setKeepaliveInterval(200)
      client.connectionOptions.setStalledTimeout(200)
      client.connectionOptions.setReconnectTimeout(200)
    },
    async run (sim, client) {
      client.subscribe('RAW', ['a2'])
      await until(() => client.subscribed === 1, 'a subscription')
      await sim.run('burst TEST a2 5', 'wait drained', 'stall', 'burst TEST a2 5')
      await sim.event((e) => e.event === 'bound' && 'recovery_from' in e, 'a recovery')
      await sim.run('wait drained', 'burst TEST a2 5')
      await sameEverywhere(sim, client, ['a2'])
      assert.strictEqual(sim.all('session').length, 1)
    }
  },

  'signs of life': {
    transports: STREAMING,
    prepare: (client) => client.connectionOptions.setReverseHeartbeatInterval(250),
    async run (sim, client) {
      client.subscribe('MERGE', ['a3'])
      await until(() => sim.requests('heartbeat').length >= 4, 'four heartbeats')
      client.options.setReverseHeartbeatInterval(100)
      const before = sim.requests('heartbeat').length
      await until(() => sim.requests('heartbeat').length >= before + 5, 'five more')
      await sim.run('loop', 'wait bound', 'burst TEST a3 5')
      await sameEverywhere(sim, client, ['a3'])
      undisturbed(sim)
    }
  },

  'long pauses between polls': {
    transports: ['WS-POLLING', 'HTTP-POLLING'],
    prepare: (client) => {
      client.connectionOptions.setPollingInterval(150)
      client.connectionOptions.setIdleTimeout(200)
    },
    async run (sim, client) {
      client.subscribe('MERGE', ['a4'])
      client.subscribe('RAW', ['a5'])
      await until(() => client.subscribed === 2, 'subscriptions')
      await sim.run('rate 200', 'sleep 1000', 'rate 0', 'sleep 600', 'wait drained')
      await sameEverywhere(sim, client, ['a4'], ['a5'])
      undisturbed(sim)
      const binds = sim.requests('bind_session')
      assert.ok(binds.length > 5 && binds.length < 25, `${binds.length} binds`)
      assert.ok(binds.slice(1).every((e) => e.lines.includes('LS_idle_millis=200')))
    }
  }
}
