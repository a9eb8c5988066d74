// Messages and their outcomes.
'use strict'

const assert = require('node:assert')
const { recoveries } = require('./client.js')
const { until } = require('./sim_process.js')

async function outcomes (told, expected) {
  await until(() => told.length >= expected.length, `the outcomes ${expected}`).catch(() => {})
  assert.deepStrictEqual(told, expected)
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

module.exports = {
  async 'messages in sequence' (sim, client) {
    const told = []
    client.send(told, 'one, 100% & + =', 'sequence', 1000)
    client.send(told, 'fail:-5:no, thanks', 'sequence', 1000)
    client.send(told, 'fail:34:an accident', 'sequence', 1000)
    client.send(told, 'four', 'sequence', 1000)
    await outcomes(told, ['done one, 100% & + = one, 100% & + =', 'denied fail:-5:no, thanks -5 no, thanks',
      'error fail:34:an accident', 'done four four'])
  },

  async 'many messages in several sequences' (sim, client) {
    const told = { a: [], b: [], alone: [] }
    for (const n of numbers(1, 50)) {
      client.send(told.a, `a${n}`, 'a')
      client.send(told.b, `b${n}`, 'b', 5000)
      client.send(told.alone, `alone${n}`)
    }
    await outcomes(told.a, numbers(1, 50).map((n) => `done a${n} a${n}`))
    await outcomes(told.b, numbers(1, 50).map((n) => `done b${n} b${n}`))
    await until(() => told.alone.length === 50, 'those without a sequence')
    assert.deepStrictEqual([...told.alone].sort(), numbers(1, 50).map((n) => `done alone${n} alone${n}`).sort())
  },

  async 'messages that take their time' (sim, client) {
    const told = []
    const alone = []
    await sim.run('message slow* late 200')
    client.send(told, 'first', 'q')
    client.send(told, 'slow', 'q')
    client.send(told, 'third', 'q')
    client.send(alone, 'slow too')
    client.send(alone, 'quick')
    await outcomes(told, ['done first first', 'done slow slow', 'done third third'])
    await outcomes(alone, ['done quick quick', 'done slow too slow too'])
  },

  async 'outcomes as the script wants them' (sim, client) {
    const told = []
    await sim.run('message good done "very good"', 'message bad fail -7 "very bad"', 'message empty done',
      'message ugly late 50 fail 35 broken', 'message lost swallow')
    for (const text of ['good', 'lost', 'bad', 'empty', 'ugly', 'usual']) client.send(told, text, 'q')
    await outcomes(told, ['done good very good', 'denied bad -7 very bad', 'done empty ', 'error ugly', 'done usual usual'])
    await sim.run('message good off')
    client.send(told, 'good', 'q')
    await until(() => told.length === 6, 'one more')
    assert.strictEqual(told[5], 'done good good')
  },

  async 'messages that never arrive' (sim, client) {
    const told = []
    await sim.run('message lost* skip')
    for (const text of ['one', 'lost 1', 'two', 'lost 2', 'lost 3', 'lost 4', 'three']) client.send(told, text, 'q', 200)
    await outcomes(told, ['done one one', 'discarded lost 1', 'done two two', 'discarded lost 2', 'discarded lost 3',
      'discarded lost 4', 'done three three'])
    assert.deepStrictEqual(sim.sent('msgfail').map((e) => [e.prog, e.code, e.text.replace(/\D/g, '')]), [[2, 38, ''], [6, 39, '3']])
  },

  async 'a message that is refused' (sim, client) {
    const told = []
    await sim.run('refuse msg 34 2')
    client.send(told, 'one')
    client.send(told, 'two', 'q', 100)
    await until(() => told.length === 2, 'two refusals')
    client.send(told, 'three')
    await until(() => told.length === 3, 'an answer')
    assert.deepStrictEqual(told.sort(), ['done three three', 'error one', 'error two'])
  },

  async 'messages of which nothing is to be heard' (sim, client) {
    client.client.sendMessage('fire and forget')
    client.client.sendMessage('in sequence', 'q')
    const told = []
    client.send(told, 'after', 'q')
    await outcomes(told, ['done after after'])
    assert.strictEqual(sim.requests('msg').flatMap((e) => e.lines.match(/LS_message=/g)).length, 3)
    assert.strictEqual(sim.sent('msgdone', 'msgfail').length, 1)
  },

  async 'outcomes that are lost with the connection' (sim, client) {
    const told = []
    client.subscribe('RAW', ['m1'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('wait drained', 'wait bound', 'swallow 3')
    for (const n of numbers(1, 10)) client.send(told, `m${n}`, 'q', 5000)
    await until(() => recoveries(sim).length > 0, 'a recovery')
    await outcomes(told, numbers(1, 10).map((n) => `done m${n} m${n}`))
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'answers to messages that are lost with the connection' (sim, client) {
    const told = []
    await sim.run('late control 2000', 'swallow 1')
    for (const n of numbers(1, 5)) client.send(told, `m${n}`, 'q', 5000)
    await sim.event((e) => e.event === 'unbound' && e.cause === 'cut', 'the cut')
    await sim.run('drop-idle', 'late control 0')
    await until(() => recoveries(sim).length > 0, 'a recovery')
    await outcomes(told, numbers(1, 5).map((n) => `done m${n} m${n}`))
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'messages while the session is being recovered' (sim, client) {
    const told = []
    client.subscribe('RAW', ['m2'])
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('wait drained', 'wait bound', 'late bind 300', 'swallow 1', 'burst TEST m2 1')
    await sim.event((e) => e.event === 'unbound' && e.cause === 'cut', 'the cut')
    for (const n of numbers(1, 5)) client.send(told, `m${n}`, 'q', 5000)
    await until(() => recoveries(sim).length > 0, 'a recovery')
    await sim.run('late bind 0')
    await outcomes(told, numbers(1, 5).map((n) => `done m${n} m${n}`))
  },

  async 'messages when the session is lost' (sim, client) {
    const told = []
    await sim.run('message * late 5000')
    client.send(told, 'one', 'q')
    await until(() => sim.requests('msg').length > 0, 'the message')
    await sim.run('wait bound', 'message * off', 'end 48 Enough')
    await outcomes(told, ['aborted one'])
    await sim.event((e) => e.event === 'session' && e.number === 2, 'a new session')
    await client.connected()
    client.send(told, 'two', 'q')
    await outcomes(told, ['aborted one', 'done two two'])
  },

  'the chat': {
    adapterSet: 'DEMO',
    async run (sim, client) {
      const told = []
      client.subscribe('DISTINCT', ['chat_room'], { fields: ['message'], adapter: 'CHAT_ROOM' })
      await until(() => client.subscribed === 1, 'a subscription')
      for (const n of numbers(1, 20)) client.send(told, `CHAT|line ${n}`, 'chat')
      await outcomes(told, numbers(1, 20).map((n) => `done CHAT|line ${n} `))
      const lines = client.toldOf('chat_room').filter((e) => e.kind === 'update').map((e) => e.fields.message)
      assert.deepStrictEqual(lines, numbers(1, 20).map((n) => `line ${n}`))
    }
  }
}
