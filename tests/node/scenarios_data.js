// Items and their rows: modes, snapshots, values, differences.
'use strict'

const assert = require('node:assert')
const { sameEverywhere, sameSoFar } = require('./client.js')
const { until } = require('./sim_process.js')

const awkward = [
  'text="" number=null', 'text="#" number="$"', 'text="^3" number="^P[]"', 'text="#a|b%" number="$5"',
  'text="a\\r\\nb" number="c,d"', 'text="\\xc3\\xa9\\xe2\\x82\\xac\\xf0\\x9f\\x99\\x82" number="100%25"',
  'text="x\\0y"', 'last=end', 'text="+ &=" number=7', ''
]

module.exports = {
  async 'every mode, with its snapshot' (sim, client) {
    await sim.run('update TEST m1 key=a text=first number=1', 'update TEST m1 text=second',
      'update TEST d1 text=one', 'update TEST d1 text=two', 'update TEST c1 key=k1 command=ADD text=x number=1',
      'update TEST c1 key=k2 command=ADD text=y', 'update TEST c1 key=k1 command=UPDATE number=2')
    client.subscribe('MERGE', ['m1', 'm2'])
    client.subscribe('DISTINCT', ['d1', 'd2'])
    client.subscribe('COMMAND', ['c1'])
    client.subscribe('RAW', ['r1'])
    await until(() => client.subscribed === 4, 'subscriptions')
    for (const values of awkward) {
      await sim.run(`update TEST m1 ${values}`, `update TEST m2 ${values}`, `update TEST d1 ${values}`,
        `update TEST d2 ${values}`, `update TEST r1 ${values}`)
    }
    await sim.run('update TEST c1 key=k1 command=UPDATE text=z', 'update TEST c1 key=k3 command=ADD number=3',
      'update TEST c1 key=k2 command=DELETE', 'update TEST c1 key=k3 command=UPDATE text=null', 'lost TEST c1 3',
      'clear TEST c1', 'update TEST c1 key=k9 command=ADD text=new', 'clear TEST d1', 'update TEST d1 text=after',
      'clear TEST m1', 'lost TEST r1')
    await sameEverywhere(sim, client, ['m1', 'm2'], ['d1', 'd2'], ['c1'], ['r1'])
  },

  async 'texts and documents that change a little' (sim, client) {
    client.subscribe('MERGE', ['v1'])
    client.subscribe('DISTINCT', ['v2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    const texts = ['The quick brown fox jumps over the lazy dog', 'The quick red fox jumps over the lazy cat',
      'A quick red fox jumps | over 100% of the lazy cat, twice', 'The slow \\xc3\\xa9l\\xc3\\xa9phant walks around the dog',
      'The slow \\xc3\\xa9l\\xc3\\xa9phant stands around the \\xe2\\x82\\xac dog', 'x'.repeat(700), 'x'.repeat(700) + 'y',
      'An emoji \\xf0\\x9f\\x99\\x82 cannot be in a diff, and nor can what follows it',
      'An emoji \\xf0\\x9f\\x99\\x82 cannot be in a diff, or can what follows it', 'end']
    const long = 'as long as it takes for a patch to be shorter than the document'
    const documents = [{ long, a: 1, b: 'two', c: [1, 2, 3], d: { e: null } }, { long, a: 2, b: 'two', c: [1, 2, 3], d: { e: null } },
      { long, a: 2, c: [1, 2, 3], d: { e: true }, 'f/~g': 'new | 100%' }, { long, c: [], d: { e: true }, 'f/~g': 'new', h: 7 }, {}, { z: 1 }]
    for (const item of ['v1', 'v2']) {
      for (const text of texts) await sim.run(`update TEST ${item} text="${text}"`)
      for (const d of documents) await sim.run(`update TEST ${item} last="${JSON.stringify(d).replace(/"/g, '\\"')}"`)
    }
    await sameEverywhere(sim, client, ['v1'], ['v2'])
  },

  async 'generated values, as fast as they come' (sim, client) {
    client.subscribe('MERGE', ['g1', 'g2'])
    client.subscribe('COMMAND', ['g3'])
    client.subscribe('DISTINCT', ['g4'])
    client.subscribe('RAW', ['g5'])
    await until(() => client.subscribed === 4, 'subscriptions')
    await sim.run('burst TEST g1 500', 'burst TEST g2 500', 'burst TEST g3 500', 'burst TEST g4 500', 'burst TEST g5 500')
    await sameEverywhere(sim, client, ['g1', 'g2'], ['g3'], ['g4'], ['g5'])
  },

  async 'a snapshot that ends late' (sim, client) {
    await sim.run('autoeos off')
    client.subscribe('DISTINCT', ['e1'])
    client.subscribe('COMMAND', ['e2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    await sim.run('update TEST e1 text=1', 'update TEST e2 key=a command=ADD', 'eos TEST e1', 'eos TEST e2',
      'update TEST e1 text=2', 'update TEST e2 key=b command=ADD', 'autoeos on')
    await sameEverywhere(sim, client, ['e1'], ['e2'])
  },

  async 'snapshots of a length, and none' (sim, client) {
    for (let i = 1; i <= 6; i++) await sim.run(`update TEST s1 text=${i}`, `update TEST s2 text=${i}`)
    await sim.run('update TEST s3 text=old', 'update TEST s4 key=a command=ADD')
    client.subscribe('DISTINCT', ['s1'], { snapshot: '3' })
    client.subscribe('DISTINCT', ['s2'], { snapshot: 'no' })
    client.subscribe('MERGE', ['s3'], { snapshot: 'no' })
    client.subscribe('COMMAND', ['s4'], { snapshot: 'no' })
    await until(() => client.subscribed === 4, 'subscriptions')
    for (const item of ['s1', 's2', 's3']) await sim.run(`update TEST ${item} text=new`)
    await sim.run('update TEST s4 key=a command=UPDATE text=new')
    await sameEverywhere(sim, client, ['s1'], ['s2'], ['s3'], ['s4'])
    const kinds = (item) => client.toldOf(item).map((e) => e.kind + (e.snapshot ? ' of the snapshot' : ''))
    assert.deepStrictEqual(kinds('s1'), ['update of the snapshot', 'update of the snapshot', 'update of the snapshot', 'eos', 'update'])
    assert.deepStrictEqual(kinds('s2'), ['update'])
    assert.deepStrictEqual(kinds('s3'), ['update'])
  },

  async 'updates that the server drops' (sim, client) {
    client.subscribe('MERGE', ['o1'])
    client.subscribe('RAW', ['o2'])
    client.subscribe('COMMAND', ['o3'])
    await until(() => client.subscribed === 3, 'subscriptions')
    for (const item of ['o1', 'o2', 'o3']) await sim.run(`burst TEST ${item} 5`, 'drop 3', `burst TEST ${item} 10`)
    await sameEverywhere(sim, client, ['o1'], ['o2'], ['o3'])
    for (const item of ['o1', 'o2', 'o3']) assert.ok(client.toldOf(item).some((e) => e.kind === 'lost'))
  },

  async 'refusals' (sim, client) {
    await sim.run('refuse item bad -4 always "not for you"', 'refuse add 66 1 later')
    client.subscribe('MERGE', ['y1'])
    await until(() => client.toldOf('y1').length === 1, 'the first refusal')
    client.subscribe('MERGE', ['no-such-item'])
    client.subscribe('MERGE', ['x1'], { fields: ['no-such-field'] })
    client.subscribe('MERGE', ['good', 'bad'])
    client.subscribe('MERGE', ['fine', 'better'])
    client.subscribe('MERGE', ['w1'], { adapter: 'NO_SUCH' })
    await until(() => ['no-such-item', 'x1', 'good', 'w1'].every((item) => client.toldOf(item).length === 1), 'refusals')
    await until(() => client.subscribed === 1, 'a subscription')
    assert.deepStrictEqual([...client.toldOf('y1')], [{ kind: 'error', code: 66, text: 'later' }])
    assert.strictEqual(client.toldOf('no-such-item')[0].code, 21)
    assert.strictEqual(client.toldOf('x1')[0].code, 23)
    assert.strictEqual(client.toldOf('w1')[0].code, 17)
    assert.deepStrictEqual([...client.toldOf('good')], [{ kind: 'error', code: -4, text: 'not for you' }])
    await sim.run('burst TEST better 5')
    await sameEverywhere(sim, client, ['fine', 'better'])
  },

  'the feeds of the demo, at their own pace': {
    adapterSet: 'DEMO',
    moving: true,
    async run (sim, client) {
      const stock = ['stock_name', 'last_price', 'time', 'pct_change']
      client.subscribe('MERGE', ['item1', 'item2', 'item30'], { fields: stock, adapter: 'QUOTE_ADAPTER' })
      client.subscribe('COMMAND', ['portfolio1'], { fields: ['key', 'command', 'qty'], adapter: 'PORTFOLIO_ADAPTER' })
      client.subscribe('DISTINCT', ['chat_room'], { fields: ['raw_timestamp', 'IP', 'message'], adapter: 'CHAT_ROOM' })
      await until(() => client.subscribed === 3, 'subscriptions')
      client.client.sendMessage('CHAT|hello, | 100% & +')
      await until(() => client.toldOf('item1').length > 10, 'some updates')
      await until(() => client.toldOf('chat_room').length > 1, 'the line')
      assert.ok(client.toldOf('chat_room').some((e) => e.fields && e.fields.message === 'hello, | 100% & +'))
      // Nothing stands still: what is compared is what came until now.
      for (const item of ['item1', 'portfolio1', 'chat_room']) {
        const items = item === 'item1' ? ['item1', 'item2', 'item30'] : [item]
        sameSoFar(sim, client, items)
      }
    }
  }
}
