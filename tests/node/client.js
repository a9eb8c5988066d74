// The official client under observation: what its listeners are told, and what by the simulator's events they must be told.
'use strict'

const assert = require('node:assert')
const { LightstreamerClient, Subscription } = require('lightstreamer-client-node')
const { until } = require('./sim_process.js')

const FIELDS = ['key', 'command', 'text', 'number', 'last']

class Client {
  // PREPARE gets the official client before it connects.
  constructor (port, transport, adapterSet, prepare) {
    this.told = new Map() // by the first item of a subscription
    this.states = []
    this.properties = []
    this.errors = []
    this.subscribed = 0
    this.transport = transport
    this.client = new LightstreamerClient(`http://127.0.0.1:${port}`, adapterSet)
    this.options = this.client.connectionOptions
    this.options.setForcedTransport(transport)
    this.options.setRetryDelay(3000)
    this.options.setFirstRetryMaxDelay(50)
    this.options.setContentLength(8000)
    this.client.addListener({
      onStatusChange: (status) => this.states.push(status),
      onServerError: (code, text) => this.errors.push(`${code} ${text}`),
      onPropertyChange: (name) => this.properties.push(name)
    })
    if (prepare) prepare(this.client)
    this.client.connect()
  }

  connected (transport = '(WS|HTTP)-(STREAMING|POLLING)') {
    return until(() => new RegExp(`^CONNECTED:${transport}$`).test(this.client.getStatus()), `a connection by ${transport}`)
  }

  // MORE: snapshot, fields, frequency, adapter, second ({ fields, adapter }).
  subscribe (mode, items, more = {}) {
    const names = more.fields || FIELDS
    const s = new Subscription(mode, items, names)
    if (mode !== 'RAW') s.setRequestedSnapshot(more.snapshot || 'yes')
    if (more.frequency) s.setRequestedMaxFrequency(more.frequency)
    if (more.adapter) s.setDataAdapter(more.adapter)
    if (more.second) {
      s.setCommandSecondLevelFields(more.second.fields)
      if (more.second.adapter) s.setCommandSecondLevelDataAdapter(more.second.adapter)
    }
    this.told.set(items[0], this.listen(s, more.second ? names.concat(more.second.fields) : names))
    this.client.subscribe(s)
    return s
  }

  listen (s, names) {
    const told = []
    told.frequencies = []
    s.addListener({
      onSubscription: () => { this.subscribed++ },
      onSubscriptionError: (code, text) => told.push({ kind: 'error', code, text }),
      onItemUpdate: (u) => {
        const values = {}
        names.forEach((name) => { values[name] = u.getValue(name) ?? null })
        told.push({ kind: 'update', item: u.getItemName(), pos: u.getItemPos(), snapshot: u.isSnapshot(), fields: values })
      },
      onEndOfSnapshot: (item, pos) => told.push({ kind: 'eos', item, pos }),
      onClearSnapshot: (item, pos) => told.push({ kind: 'clear', item, pos }),
      onItemLostUpdates: (item, pos, lost) => told.push({ kind: 'lost', item, pos, lost }),
      onCommandSecondLevelItemLostUpdates: (lost, key) => told.push({ kind: 'lost of a key', key, lost }),
      onCommandSecondLevelSubscriptionError: (code, text, key) => told.push({ kind: 'error of a key', key, code, text }),
      onRealMaxFrequency: (frequency) => told.frequencies.push(frequency)
    })
    return told
  }

  toldOf (item) {
    return this.told.get(item)
  }

  // Sends TEXT; TOLD gets the outcome.
  send (told, text, sequence = null, wait = null) {
    this.client.sendMessage(text, sequence, wait, {
      onProcessed: (message, response) => told.push(`done ${message} ${response}`),
      onDeny: (message, code, why) => told.push(`denied ${message} ${code} ${why}`),
      onError: (message) => told.push(`error ${message}`),
      onDiscarded: (message) => told.push(`discarded ${message}`),
      onAbort: (message, sent) => told.push(`aborted ${message}`)
    }, true)
  }

  disconnect () {
    this.client.disconnect()
  }
}

// The simulator's words for a subscription to ITEMS, in the listener's form. In COMMAND the client calls a key's first row ADD and the
// later ones UPDATE, whatever the server wrote.
function saidOf (sim, items) {
  const said = []
  let keys = new Map(items.map((item) => [item, new Set()]))
  for (const e of sim.events) {
    if (e.event === 'subscribed' && e.items[0] === items[0]) keys = new Map(items.map((item) => [item, new Set()]))
    if (e.event !== 'sent' || !items.includes(e.item)) continue
    const one = { kind: e.kind, item: e.item, pos: e.pos }
    if (e.kind === 'clear') keys.get(e.item).clear()
    if (e.kind === 'lost') one.lost = e.lost
    if (e.kind === 'update') Object.assign(one, { snapshot: e.snapshot, fields: { ...e.fields } })
    if (e.mode === 'COMMAND') one.fields.command = commandOf(keys.get(e.item), e.fields)
    said.push(one)
  }
  return said
}

// KEYS: those that have a row.
function commandOf (keys, { key, command }) {
  if (command === 'DELETE') keys.delete(key)
  else if (keys.has(key)) return 'UPDATE'
  else keys.add(key)
  return command === 'DELETE' ? command : 'ADD'
}

// Each subscription, by its items, was told everything and nothing else.
async function sameEverywhere (sim, client, ...itemLists) {
  await sim.run('wait drained')
  for (const items of itemLists) {
    const told = client.toldOf(items[0])
    await until(() => told.length >= saidOf(sim, items).length, `all events of ${items}`).catch(() => {})
    assert.deepStrictEqual([...told], saidOf(sim, items))
  }
}

// What came before the subscription was given up.
function sameSoFar (sim, client, items) {
  const told = client.toldOf(items[0])
  assert.deepStrictEqual([...told], saidOf(sim, items).slice(0, told.length))
}

function recoveries (sim) {
  return sim.all('bound').filter((e) => 'recovery_from' in e)
}

// One session, which was never in doubt.
function undisturbed (sim) {
  assert.strictEqual(sim.all('session').length, 1)
  assert.strictEqual(recoveries(sim).length, 0)
}

module.exports = { Client, FIELDS, saidOf, sameEverywhere, sameSoFar, recoveries, undisturbed }
