// lsbridge-sim as a child process: commands in, events out.
'use strict'

const { spawn } = require('node:child_process')
const readline = require('node:readline')

const WAIT_MS = 10000

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

class Sim {
  constructor (path, options = []) {
    this.events = []
    this.waiters = []
    this.errors = ''
    this.child = spawn(path, ['--port', '0', '--events', '--interactive', ...options])
    this.child.stderr.on('data', (data) => { this.errors += data })
    this.child.stdin.on('error', () => {})
    this.lines = readline.createInterface({ input: this.child.stdout, crlfDelay: Infinity })
    this.lines.on('line', (line) => this.take(JSON.parse(line)))
    this.ended = new Promise((resolve) => this.child.on('close', (status) => resolve(status)))
  }

  take (event) {
    this.events.push(event)
    this.waiters = this.waiters.filter((waiter) => !waiter())
  }

  // Resolves with the first event, past or to come, that TEST accepts.
  async event (test, what = test.toString()) {
    const found = this.events.find(test)
    if (found) return found
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), WAIT_MS)
      this.waiters.push(() => {
        const event = this.events.find(test)
        if (!event) return false
        clearTimeout(timer)
        resolve(event)
        return true
      })
    })
  }

  async port () {
    return (await this.event((e) => e.event === 'listening')).port
  }

  // Runs script lines one after the other and waits until the last is done.
  async run (...commands) {
    for (const command of commands) {
      const before = this.events.length
      this.child.stdin.write(command + '\n')
      const done = await this.event((e) => e.event === 'done' && e.command === command &&
                                    this.events.indexOf(e) >= before, `"${command}" to be done`)
      if (!done.ok) throw new Error(`${command}: ${done.fault}`)
    }
  }

  // All events of that name.
  all (name) {
    return this.events.filter((e) => e.event === name)
  }

  // All requests whose name is NAME, or whose operation.
  requests (name) {
    return this.all('request').filter((e) => e.name === name || e.lines.split(/[&\r\n]/).includes(`LS_op=${name}`))
  }

  // What it says it sent, of the given kinds.
  sent (...kinds) {
    return this.events.filter((e) => e.event === 'sent' && kinds.includes(e.kind))
  }

  // Ends it and resolves with its exit status.
  async stop () {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), WAIT_MS)
    const status = await this.ended
    clearTimeout(timer)
    return status
  }
}

module.exports = { Sim, WAIT_MS, until }
