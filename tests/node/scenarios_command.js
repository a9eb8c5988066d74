// Two levels of COMMAND: for every key a subscription of its own.
'use strict'

const assert = require('node:assert')
const { FIELDS, recoveries } = require('./client.js')
const { until } = require('./sim_process.js')

const SECOND = ['price', 'time']

// What the client must be told of ITEM and its keys, by the simulator's events.
class TwoLevels {
  constructor (item, first, second) {
    Object.assign(this, { item, first, second, told: [], rows: new Map(), keyOf: new Map(), subscription: null })
  }

  take (e) {
    const id = `${e.number}/${e.sub}`
    if (e.event === 'subscribed' && e.mode === 'COMMAND' && e.items[0] === this.item) {
      this.subscription = id
      this.rows.clear()
    } else if (e.event === 'subscribed' && e.mode === 'MERGE' && this.rows.has(e.items[0])) {
      this.keyOf.set(id, this.rows.get(e.items[0]))
    } else if (e.event === 'sent' && id === this.subscription) {
      this.firstLevel(e)
    } else if (e.event === 'sent' && this.keyOf.has(id)) {
      this.secondLevel(e, this.keyOf.get(id))
    }
  }

  firstLevel (e) {
    const about = { item: e.item, pos: e.pos }
    if (e.kind === 'eos' || e.kind === 'clear') this.told.push({ kind: e.kind, ...about })
    if (e.kind === 'lost') this.told.push({ kind: 'lost', ...about, lost: e.lost })
    if (e.kind === 'clear') this.rows.clear()
    if (e.kind === 'update') this.told.push({ kind: 'update', ...about, snapshot: e.snapshot, fields: this.update(e.fields) })
  }

  update (fields) {
    const nothing = Object.fromEntries(this.second.map((name) => [name, null]))
    const row = this.rows.get(fields.key)
    if (fields.command === 'DELETE') {
      this.rows.delete(fields.key)
      return { ...Object.fromEntries(this.first.map((name) => [name, null])), key: fields.key, command: 'DELETE', ...nothing }
    }
    if (row) {
      row.first = { ...fields, command: 'UPDATE' }
      return { ...row.first, ...row.second }
    }
    this.rows.set(fields.key, { key: fields.key, first: { ...fields, command: 'UPDATE' }, second: nothing })
    return { ...fields, command: 'ADD', ...nothing }
  }

  secondLevel (e, row) {
    if (this.rows.get(row.key) !== row) return // it is no longer wanted
    if (e.kind === 'lost') this.told.push({ kind: 'lost of a key', key: row.key, lost: e.lost })
    if (e.kind !== 'update') return
    row.second = e.fields
    this.told.push({ kind: 'update', item: this.item, pos: 1, snapshot: e.snapshot, fields: { ...row.first, ...row.second } })
  }
}

function saidOf (sim, item, first = FIELDS, second = SECOND) {
  const levels = new TwoLevels(item, first, second)
  sim.events.forEach((e) => levels.take(e))
  return levels.told
}

// What becomes of each key on either level, without what is only repeated, and all events in their order. The official client hands the
// second level on a moment later than the first, so how both mix is its own affair.
function byLevel (list, first, second) {
  const found = { events: list.filter((e) => e.kind !== 'update') }
  const add = (name, fields) => {
    const text = JSON.stringify(fields)
    found[name] = found[name] || []
    if (found[name].at(-1) !== text) found[name].push(text)
  }
  for (const { fields } of list.filter((e) => e.kind === 'update')) {
    add(`first ${fields.key}`, first.filter((name) => name !== 'command').map((name) => fields[name]))
    add(`second ${fields.key}`, second.map((name) => fields[name]))
  }
  return found
}

async function same (sim, client, item, first = FIELDS, second = SECOND) {
  await sim.run('wait drained')
  const told = client.toldOf(item)
  await until(() => told.length >= saidOf(sim, item, first, second).length, `all events of ${item}`).catch(() => {})
  assert.deepStrictEqual(byLevel(told, first, second), byLevel(saidOf(sim, item, first, second), first, second))
  assert.strictEqual(told.length, saidOf(sim, item, first, second).length)
}

// One after the other: then the order is certain as well.
async function calmly (sim, client, item, ...commands) {
  for (const command of commands) {
    await sim.run(command, 'wait drained')
    await until(() => client.toldOf(item).length >= saidOf(sim, item).length, `what comes of ${command}`)
  }
  assert.deepStrictEqual([...client.toldOf(item)], saidOf(sim, item))
}

function follow (client, item, adapter) {
  return client.subscribe('COMMAND', [item], { second: { fields: SECOND, adapter } })
}

// A key, and the subscription that the client makes for it.
async function add (sim, item, key, ...fields) {
  await sim.run(`update TEST ${item} key=${key} command=ADD ${fields.join(' ')}`, `wait subscribed ${key}`)
}

// Who is subscribed to when is a matter of time; in the end all are whose keys are there, and rows are as they should be.
async function sameInTheEnd (sim, client, item) {
  const held = new Map()
  for (const e of sim.sent('update').filter((e) => e.item === item)) {
    if (e.fields.command === 'DELETE') held.delete(e.fields.key)
    else held.set(e.fields.key, e.fields)
  }
  for (const key of held.keys()) await sim.run(`wait subscribed ${key}`, `update TEST ${key} price=last time=${key}`)
  await sim.run('wait drained')
  const final = (key) => client.toldOf(item).findLast((e) => e.fields && e.fields.key === key)
  const expected = (key) => ({ ...held.get(key), command: 'UPDATE', price: 'last', time: key })
  await until(() => [...held.keys()].every((key) => final(key).fields.time === key), 'the last rows')
  for (const key of held.keys()) assert.deepStrictEqual(final(key).fields, expected(key))
}

const scenarios = {
  async 'keys with a second level' (sim, client) {
    await sim.run('update TEST p1 key=k1 command=ADD text=one', 'update TEST k1 price=1 time=now')
    follow(client, 'p1')
    await until(() => client.subscribed === 1, 'a subscription')
    await calmly(sim, client, 'p1', 'wait subscribed k1', 'update TEST p1 key=k2 command=ADD number=2', 'wait subscribed k2',
      'update TEST k2 price=2 time=""', 'update TEST k1 price=1.5', 'update TEST p1 key=k1 command=UPDATE text="" number=7',
      'update TEST k1 time=null', 'update TEST p1 key=k2 command=UPDATE number=null', 'update TEST k2 price=#')
    const row = client.toldOf('p1').findLast((e) => e.fields && e.fields.key === 'k1')
    assert.deepStrictEqual(row.fields, { key: 'k1', command: 'UPDATE', text: '', number: '7', last: null, price: '1.5', time: null })
  },

  async 'keys that are deleted and come again' (sim, client) {
    follow(client, 'p2')
    await until(() => client.subscribed === 1, 'a subscription')
    for (let i = 1; i <= 3; i++) {
      await add(sim, 'p2', 'a', `number=${i}`)
      await sim.run(`update TEST a price=${i}`, 'wait drained', 'update TEST p2 key=a command=DELETE', 'wait unsubscribed a',
        'update TEST p2 key=never-added command=DELETE')
    }
    await same(sim, client, 'p2')
  },

  async 'a second level that is cleared with the first' (sim, client) {
    follow(client, 'p3')
    await until(() => client.subscribed === 1, 'a subscription')
    await add(sim, 'p3', 'b')
    await add(sim, 'p3', 'c')
    await sim.run('burst TEST b 5', 'burst TEST c 5', 'wait drained', 'clear TEST p3', 'wait unsubscribed b', 'wait unsubscribed c',
      'burst TEST b 5')
    await add(sim, 'p3', 'c')
    await sim.run('burst TEST c 5')
    await same(sim, client, 'p3')
  },

  async 'a second level that is refused' (sim, client) {
    await sim.run('refuse item bad* 21 always "no such key"')
    follow(client, 'p4')
    await until(() => client.subscribed === 1, 'a subscription')
    await add(sim, 'p4', 'good')
    await sim.run('update TEST p4 key=bad1 command=ADD text=x', 'update TEST good price=1')
    await until(() => client.toldOf('p4').some((e) => e.kind === 'error of a key'), 'the refusal')
    // The key's subscription may be later than the refusal: whose row is told first is open until it is there.
    await until(() => client.toldOf('p4').some((e) => e.fields && e.fields.price === '1'), 'the first row')
    await sim.run('update TEST p4 key=bad1 command=UPDATE text=y', 'update TEST p4 key=bad1 command=DELETE', 'update TEST good price=2')
    await sim.run('wait drained')
    const refused = { kind: 'error of a key', key: 'bad1', code: 21, text: 'no such key' }
    const expected = saidOf(sim, 'p4')
    await until(() => client.toldOf('p4').length > expected.length, 'all events')
    assert.deepStrictEqual(client.toldOf('p4').filter((e) => e.kind.startsWith('error')), [refused])
    assert.deepStrictEqual(client.toldOf('p4').filter((e) => !e.kind.startsWith('error')), expected)
  },

  async 'a second level of an adapter that is not there' (sim, client) {
    follow(client, 'p5', 'NO_SUCH_ADAPTER')
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('update TEST p5 key=x command=ADD', 'update TEST p5 key=y command=ADD')
    await until(() => client.toldOf('p5').filter((e) => e.kind === 'error of a key').length === 2, 'two refusals')
    assert.ok(client.toldOf('p5').filter((e) => e.kind === 'error of a key').every((e) => e.code === 17))
  },

  async 'updates of a second level that are dropped' (sim, client) {
    follow(client, 'p6')
    await until(() => client.subscribed === 1, 'a subscription')
    await add(sim, 'p6', 'd')
    await sim.run('burst TEST d 5', 'drop 3', 'burst TEST d 10')
    await same(sim, client, 'p6')
    assert.strictEqual(client.toldOf('p6').filter((e) => e.kind === 'lost of a key').length, 3)
  },

  async 'two levels, and a recovery' (sim, client) {
    follow(client, 'p7')
    await until(() => client.subscribed === 1, 'a subscription')
    await add(sim, 'p7', 'e')
    await add(sim, 'p7', 'f')
    for (let i = 1; i <= 3; i++) {
      await sim.run('burst TEST e 5', 'wait drained', 'swallow 3', 'burst TEST f 5', `update TEST p7 key=e command=UPDATE number=${i}`)
      await until(() => recoveries(sim).length >= i, 'a recovery')
      await sim.run('wait drained')
    }
    await same(sim, client, 'p7')
    assert.strictEqual(sim.all('session').length, 1)
  },

  async 'two levels, and a new session' (sim, client) {
    follow(client, 'p8')
    await until(() => client.subscribed === 1, 'a subscription')
    await add(sim, 'p8', 'g')
    await sim.run('burst TEST g 5', 'wait drained')
    await same(sim, client, 'p8')
    await sim.run('end 48 Enough')
    await until(() => client.subscribed === 2, 'the subscription again')
    await sim.run('wait subscribed g', 'burst TEST g 5', 'wait drained', 'update TEST p8 key=g command=DELETE')
    await same(sim, client, 'p8')
  },

  async 'many keys that come and go' (sim, client) {
    follow(client, 'p9')
    await until(() => client.subscribed === 1, 'a subscription')
    await sim.run('burst TEST p9 200', 'rate 500', 'sleep 500', 'rate 0', 'wait drained')
    await sameInTheEnd(sim, client, 'p9')
  },

  'the portfolio and its stocks': {
    adapterSet: 'DEMO',
    moving: true,
    async run (sim, client) {
      const fields = ['key', 'command', 'qty']
      const second = { fields: ['stock_name', 'last_price'], adapter: 'QUOTE_ADAPTER' }
      client.subscribe('COMMAND', ['portfolio1'], { fields, adapter: 'PORTFOLIO_ADAPTER', second })
      await until(() => client.toldOf('portfolio1').filter((e) => e.fields && e.fields.last_price).length > 20, 'some prices')
      const prices = (list) => list.filter((e) => e.fields && e.fields.last_price).map((e) => `${e.fields.key} ${e.fields.last_price}`)
      const said = new Set(prices(saidOf(sim, 'portfolio1', fields, second.fields)))
      for (const price of prices(client.toldOf('portfolio1'))) assert.ok(said.has(price), price)
    }
  }
}

module.exports = { scenarios, follow, sameInTheEnd }
