// The simulator against the official client: what the client reports must be exactly what the simulator says it sent.
// Usage: node check_sim.js PATH-OF-LSBRIDGE-SIM [PATTERN-OF-TITLES]; VERBOSE=1 prints the simulator's events, SEED=n repeats a soak.
//
// A scenario is a function of the simulator and a connected client, or an object with
//   run         that function
//   transports  in place of all four
//   adapterSet  in place of TEST
//   options     more of the simulator's options
//   before      lines of the script that are run before there is a client
//   prepare     gets the official client before it connects
//   unconnected it may never connect
//   moving      the feeds live on their own
//   slow        begin with it: it takes long
'use strict'

const { Client } = require('./client.js')
const { Sim, until } = require('./sim_process.js')

const path = process.argv[2] || process.env.LSBRIDGE_SIM
const wanted = process.argv[3] ? new RegExp(process.argv[3]) : /./

const AT_ONCE = 12
const TRANSPORTS = ['WS-STREAMING', 'HTTP-STREAMING', 'WS-POLLING', 'HTTP-POLLING']

const scenarios = Object.assign({}, ...['data', 'command', 'sessions', 'transports', 'messages', 'limits', 'refusals', 'soak']
  .map((name) => require(`./scenarios_${name}.js`)).map((module) => module.scenarios || module))

// The same scenario under conditions that must not change its outcome.
const conditions = {
  'as it comes': [],
  'in pieces, with diffs': ['--split', 'random', '--fragment', '7', '--diffs']
}

let passed = 0
let failed = 0

// Runs SCENARIO with CLIENT, and lets it go. Returns what is wrong, or null.
async function play (scenario, sim, client) {
  let fault = null
  try {
    if (!scenario.unconnected) await client.connected()
    await scenario.run(sim, client)
  } catch (error) {
    fault = error
  }
  client.disconnect()
  const last = () => sim.events.findLast((e) => ['bound', 'unbound', 'ended'].includes(e.event))
  await until(() => !last() || last().event !== 'bound', 'the end').catch((error) => { fault = fault || error })
  return fault
}

async function check ({ title, transport, condition, scenario }) {
  const began = Date.now()
  const still = scenario.moving ? [] : ['--still']
  const sim = new Sim(path, ['--lenient', '--strict', ...still, ...conditions[condition], ...(scenario.options || [])])
  const port = await sim.port()
  await sim.run(...(scenario.before || []))
  const client = new Client(port, transport, scenario.adapterSet || 'TEST', scenario.prepare)
  let fault = await play(scenario, sim, client)
  const status = await sim.stop()
  if (!fault && status !== 0) fault = new Error(`the simulator ended with ${status}`)
  if (!fault) passed++
  else failed++
  console.log(`${fault ? 'not ok' : 'ok'} ${passed + failed} - ${title} (${Date.now() - began} ms)`)
  if (process.env.VERBOSE) sim.events.forEach((e) => console.log('# ' + JSON.stringify(e)))
  if (fault) console.log(`${fault.stack}\n${client.states}\n${sim.errors}`.replace(/^/gm, '# '))
}

function allChecks () {
  const checks = []
  for (const [name, body] of Object.entries(scenarios)) {
    const scenario = typeof body === 'function' ? { run: body } : body
    for (const transport of scenario.transports || TRANSPORTS) {
      for (const condition of Object.keys(conditions)) {
        checks.push({ title: `${transport}, ${condition}: ${name}`, transport, condition, scenario })
      }
    }
  }
  return checks.sort((a, b) => Boolean(b.scenario.slow) - Boolean(a.scenario.slow))
}

async function main () {
  if (!path) throw new Error('usage: node check_sim.js PATH-OF-LSBRIDGE-SIM [PATTERN-OF-TITLES]')
  const checks = allChecks().filter(({ title }) => wanted.test(title))
  const worker = async () => {
    while (checks.length > 0) await check(checks.shift())
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed === 0 && passed > 0 ? 0 : 1)
}

main().catch((error) => {
  console.error(error.message)
  process.exit(2)
})
