// Everything at once, by chance: SEED=n repeats a run as far as time allows.
'use strict'

const assert = require('node:assert')
const { sameEverywhere, sameSoFar } = require('./client.js')
const { follow, sameInTheEnd } = require('./scenarios_command.js')
const { until } = require('./sim_process.js')

const SOAK_MS = 6000
const ALL = ['WS-STREAMING', 'HTTP-STREAMING', 'WS-POLLING', 'HTTP-POLLING']
const MODES = ['MERGE', 'DISTINCT', 'COMMAND', 'RAW']

let seed = Number(process.env.SEED || Date.now() % 1000000)

// xorshift32: numbers below N, the same for the same seed.
function chance (from) {
  let state = (from * 2654435761 + 1) >>> 0
  return (n) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % n
  }
}

class Soak {
  constructor (sim, client) {
    this.sim = sim
    this.client = client
    this.seed = seed++
    this.below = chance(this.seed)
    this.live = [] // [subscription, items]
    this.gone = [] // items
    this.made = 0
    this.words = [] // messages
    this.outcomes = []
  }

  add () {
    const mode = MODES[this.below(4)]
    const items = [`i${++this.made}`, `j${this.made}`]
    const frequency = mode !== 'RAW' && this.below(4) === 0 ? 1 + this.below(50) : null
    this.live.push([this.client.subscribe(mode, items, { frequency }), items])
  }

  remove () {
    if (this.live.length < 4) return
    const [[subscription, items]] = this.live.splice(this.below(this.live.length), 1)
    this.client.client.unsubscribe(subscription)
    this.gone.push(items)
  }

  refresh () {
    const [subscription] = this.live[this.below(this.live.length)]
    if (subscription.getMode() !== 'RAW' && subscription.getRequestedMaxFrequency() !== 'unfiltered') {
      subscription.setRequestedMaxFrequency(this.below(3) === 0 ? 'unlimited' : 1 + this.below(100))
    }
  }

  send () {
    const n = this.words.length
    const words = [`m${n}`, `fail:-${1 + this.below(9)}:m${n + 1}`]
    for (const word of words) this.client.send(this.outcomes, word, ['q', 'r', null][this.below(3)], 5000)
    this.words.push(...words)
  }

  // How many outcomes WORD had.
  told (word) {
    return this.outcomes.filter((o) => o.split(' ')[1] === word).length
  }

  // How often it was sent. Of a message that it sent again after a cut, and that the server then says it has already (REQERR 32, 33), the client
  // never tells an outcome.
  asked (word) {
    const lines = this.sim.all('request').filter((r) => r.name === 'msg').flatMap((r) => r.lines.split('\r\n'))
    return lines.filter((line) => new URLSearchParams(line).get('LS_message') === word).length
  }

  async step () {
    const cut = ['cut', 'cut fin', 'swallow 3', 'cut after 7', 'cut bytes 50']
    const ways = [
      () => this.add(), () => this.add(), () => this.remove(), () => this.refresh(), () => this.send(),
      () => this.client.options.setForcedTransport(ALL[this.below(4)]),
      () => this.client.options.setRequestedMaxBandwidth(this.below(2) ? 'unlimited' : 50 + this.below(500)),
      () => this.sim.run(cut[this.below(cut.length)]),
      () => this.sim.run(['loop', 'loop 20', 'loop after 5'][this.below(3)]),
      () => this.sim.run(`rate ${this.below(800)}`),
      () => this.sim.run(`burst TEST i${1 + this.below(this.made)} ${this.below(200)}`),
      () => this.sim.run(`clear TEST i${1 + this.below(this.made)}`),
      () => this.sim.run(`lost TEST j${1 + this.below(this.made)} ${1 + this.below(9)}`),
      () => this.sim.run(`drop ${1 + this.below(5)}`),
      () => this.sim.run(`burst TEST levels ${this.below(30)}`),
      () => this.sim.run(`late control ${this.below(2) * this.below(60)}`),
      () => this.sim.run(`late bind ${this.below(2) * this.below(60)}`)
    ]
    await ways[this.below(ways.length)]()
    await this.sim.run(`sleep ${this.below(60)}`)
  }

  async settle () {
    await this.sim.run('rate 0', 'late control 0', 'late bind 0', 'drop 0')
    this.client.options.setRequestedMaxBandwidth('unlimited')
    await until(() => this.live.every(([subscription]) => subscription.isSubscribed()), 'every subscription')
    await until(() => this.words.every((word) => this.told(word) || this.asked(word) > 1), 'every outcome')
    await this.sim.run('sleep 1100', 'wait drained')
  }
}

async function soak (sim, client) {
  const s = new Soak(sim, client)
  const end = Date.now() + SOAK_MS
  console.log(`# SEED=${s.seed} for ${client.transport}`)
  s.add()
  follow(client, 'levels')
  try {
    while (Date.now() < end) await s.step()
    await s.settle()
    await sameInTheEnd(sim, client, 'levels')
    for (const [, items] of s.live) await sameEverywhere(sim, client, items)
    for (const items of s.gone) sameSoFar(sim, client, items)
    assert.strictEqual(sim.all('session').length, 1)
    for (const word of s.words) assert.ok(s.told(word) === 1 || (s.told(word) === 0 && s.asked(word) > 1), word)
    assert.ok(s.outcomes.every((o) => /^done (m\d+) \1$|^denied fail:/.test(o)), s.outcomes.join())
  } catch (error) {
    error.message = `SEED=${s.seed}: ${error.message}`
    throw error
  }
}

module.exports = {
  'everything at once': { slow: true, options: ['--session-timeout-ms', '30000'], run: soak }
}
