// The simulator against the official client: what the client reports must be exactly what the simulator says it sent.
// Usage: node check_sim.js PATH-OF-LSBRIDGE-SIM [PATTERN-OF-TITLES]; VERBOSE=1 prints the simulator's events.
'use strict'

const assert = require('node:assert')
const { LightstreamerClient, Subscription } = require('lightstreamer-client-node')
const { Sim, WAIT_MS } = require('./sim_process.js')

const path = process.argv[2] || process.env.LSBRIDGE_SIM
const fields = ['key', 'command', 'text', 'number', 'last']

// Resolves once TEST gives a true value.
function until (test, what) {
  return new Promise((resolve, reject) => {
    const end = Date.now() + WAIT_MS
    const look = () => {
      if (test()) resolve()
      else if (Date.now() > end) reject(new Error(`waited in vain for ${what}`))
      else setTimeout(look, 5)
    }
    look()
  })
}

// One client with its subscriptions, and what its listeners were told.
class Client {
  constructor (port, transport, adapterSet = 'TEST') {
    this.told = new Map()
    this.states = []
    this.subscribed = 0
    this.transport = transport
    this.client = new LightstreamerClient(`http://127.0.0.1:${port}`, adapterSet)
    this.client.connectionOptions.setForcedTransport(transport)
    this.client.connectionOptions.setRetryDelay(3000)
    this.client.connectionOptions.setFirstRetryMaxDelay(50)
    this.client.connectionOptions.setContentLength(8000)
    this.client.addListener({ onStatusChange: (status) => this.states.push(status) })
    this.client.connect()
  }

  connected () {
    return until(() => /^CONNECTED:(WS|HTTP)-STREAMING/.test(this.client.getStatus()), 'a connection')
  }

  subscribe (mode, items, snapshot = 'yes', names = fields, frequency = null) {
    const told = []
    const s = new Subscription(mode, items, names)
    if (mode !== 'RAW') s.setRequestedSnapshot(snapshot)
    if (frequency) s.setRequestedMaxFrequency(frequency)
    s.addListener({
      onSubscription: () => { this.subscribed++ },
      onSubscriptionError: (code, text) => told.push({ kind: 'error', code }),
      onItemUpdate: (u) => {
        const values = {}
        names.forEach((name) => { values[name] = u.getValue(name) })
        told.push({ kind: 'update', item: u.getItemName(), pos: u.getItemPos(), snapshot: u.isSnapshot(), fields: values })
      },
      onEndOfSnapshot: (item, pos) => told.push({ kind: 'eos', item, pos }),
      onClearSnapshot: (item, pos) => told.push({ kind: 'clear', item, pos }),
      onItemLostUpdates: (item, pos, lost) => told.push({ kind: 'lost', item, pos, lost })
    })
    this.told.set(items[0], told)
    this.client.subscribe(s)
    return s
  }

  disconnect () {
    this.client.disconnect()
  }
}

// The simulator's words for a subscription to ITEMS, in the listener's form.
function saidOf (sim, items) {
  return sim.sent('update', 'eos', 'clear', 'lost').filter((e) => items.includes(e.item)).map((e) => {
    const said = { kind: e.kind, item: e.item, pos: e.pos }
    if (e.kind === 'update') Object.assign(said, { snapshot: e.snapshot, fields: e.fields })
    if (e.kind === 'lost') said.lost = e.lost
    return said
  })
}

function recoveries (sim) {
  return sim.events.filter((e) => e.event === 'bound' && 'recovery_from' in e)
}

async function sameEverywhere (sim, client, ...itemLists) {
  for (const items of itemLists) {
    const told = client.told.get(items[0])
    await until(() => told.length >= saidOf(sim, items).length, `all events of ${items}`).catch(() => {})
    assert.deepStrictEqual(told, saidOf(sim, items))
  }
}

const awkward = [
  'text="" number=null', 'text="#" number="$"', 'text="^3" number="^P[]"', 'text="#a|b%" number="$5"',
  'text="a\\r\\nb" number="c,d"', 'text="\\xc3\\xa9\\xe2\\x82\\xac\\xf0\\x9f\\x99\\x82" number="100%25"',
  'text="x\\0y"', 'last=end', 'text="+ &=" number=7', ''
]

const scenarios = {
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

  async 'a cut, and a recovery without a loss' (sim, client) {
    client.subscribe('MERGE', ['k1'])
    client.subscribe('RAW', ['k2'])
    await until(() => client.subscribed === 2, 'subscriptions')
    for (let i = 1; i <= 3; i++) {
      await sim.run(`burst TEST k1 ${10 * i}`, 'swallow 4', 'burst TEST k2 5', 'burst TEST k1 5', 'burst TEST k2 5')
      await until(() => recoveries(sim).length >= i, 'a recovery')
      await sim.run('wait drained')
    }
    await sim.run('burst TEST k1 20', 'cut', 'burst TEST k1 20')
    await until(() => recoveries(sim).length >= 4, 'the last recovery')
    await sim.run('wait drained')
    await sameEverywhere(sim, client, ['k1'], ['k2'])
    assert.strictEqual(sim.events.filter((e) => e.event === 'session').length, 1)
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
    assert.strictEqual(sim.events.filter((e) => e.event === 'session').length, 1)
    assert.strictEqual(recoveries(sim).length, 0)
  },

  async 'a stream of limited length' (sim, client) {
    client.subscribe('RAW', ['h1'])
    await until(() => client.subscribed === 1, 'a subscription')
    for (let i = 0; i < 20; i++) await sim.run('burst TEST h1 50', 'wait drained')
    await sameEverywhere(sim, client, ['h1'])
    assert.strictEqual(sim.events.filter((e) => e.event === 'session').length, 1)
    assert.strictEqual(recoveries(sim).length, 0)
    if (client.transport === 'HTTP-STREAMING') assert.ok(sim.events.filter((e) => e.cause === 'loop').length >= 3)
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
    assert.strictEqual(sim.events.filter((e) => e.event === 'session').length, 1)
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
    await until(() => client.told.get('t1').length === said.length - 3, 'all but what was lost')
    assert.deepStrictEqual(client.told.get('t1'), [...said.slice(0, 5), ...said.slice(8)])
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

  async 'refusals' (sim, client) {
    client.subscribe('MERGE', ['no-such-item'])
    client.subscribe('MERGE', ['x1'], 'yes', ['no-such-field'])
    await until(() => client.told.get('no-such-item').length + client.told.get('x1').length === 2, 'refusals')
    assert.strictEqual(client.told.get('no-such-item')[0].code, 21)
    assert.strictEqual(client.told.get('x1')[0].code, 23)
  },

  async 'messages' (sim, client) {
    const told = []
    const listener = {
      onProcessed: (text, response) => told.push(`done ${text} ${response}`),
      onError: (text) => told.push(`failed ${text}`),
      onDeny: (text, code, why) => told.push(`denied ${text} ${code} ${why}`)
    }
    client.client.sendMessage('one, 100% & + =', 'sequence', 1000, listener)
    client.client.sendMessage('fail:-5:no, thanks', 'sequence', 1000, listener)
    client.client.sendMessage('three', 'sequence', 1000, listener)
    await until(() => told.length === 3, 'outcomes')
    assert.deepStrictEqual(told, ['done one, 100% & + = one, 100% & + =', 'denied fail:-5:no, thanks -5 no, thanks',
      'done three three'])
  },

  async 'a frequency limit' (sim, client) {
    client.subscribe('MERGE', ['q1'], 'yes', fields, 20)
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST q1 100', 'sleep 120')
    await sameEverywhere(sim, client, ['q1'])
    assert.ok(client.told.get('q1').length < 5)
  }
}

// The same scenario under conditions that must not change its outcome.
const conditions = {
  'as it comes': [],
  'in pieces, with diffs': ['--split', 'random', '--fragment', '7', '--diffs']
}

let passed = 0
let failed = 0

async function check (transport, condition, name) {
  const sim = new Sim(path, ['--lenient', '--strict', '--still', ...conditions[condition]])
  let fault = null
  const began = Date.now()
  let client = null
  try {
    client = new Client(await sim.port(), transport)
    await client.connected()
    await scenarios[name](sim, client)
  } catch (error) {
    fault = error
  }
  const seen = sim.events.length
  if (client) client.disconnect()
  await until(() => sim.events.slice(seen).some((e) => e.event === 'ended' || e.event === 'unbound'), 'the end')
    .catch((error) => { fault = fault || error })
  const status = await sim.stop()
  if (!fault && status !== 0) fault = new Error(`the simulator ended with ${status}`)
  const title = `${transport}, ${condition}: ${name}`
  if (!fault) passed++
  else failed++
  console.log(`${fault ? 'not ok' : 'ok'} ${passed + failed} - ${title} (${Date.now() - began} ms)`)
  if (process.env.VERBOSE) sim.events.forEach((e) => console.log('# ' + JSON.stringify(e)))
  if (fault) console.log(`${fault.stack}\n${sim.errors}`.replace(/^/gm, '# '))
}

async function main () {
  if (!path) throw new Error('usage: node check_sim.js PATH-OF-LSBRIDGE-SIM [PATTERN-OF-TITLES]')
  const wanted = process.argv[3] ? new RegExp(process.argv[3]) : /./
  for (const transport of ['WS-STREAMING', 'HTTP-STREAMING']) {
    for (const condition of Object.keys(conditions)) {
      const names = Object.keys(scenarios).filter((name) => wanted.test(`${transport}, ${condition}: ${name}`))
      await Promise.all(names.map((name) => check(transport, condition, name)))
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed === 0 && passed > 0 ? 0 : 1)
}

main().catch((error) => {
  console.error(error.message)
  process.exit(2)
})
