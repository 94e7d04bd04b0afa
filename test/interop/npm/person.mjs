// The person at the side of these clients: asked on stdout, answers on stdin.
import { createInterface } from 'node:readline'

export const { ISSUER: issuer, SITE: site, SECRET: secret, EMAIL: email } = process.env

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function ask(verb, url) {
  process.stdout.write(`${verb} ${url}\n`)
  const { value, done } = await answers.next()
  if (done) throw new Error(`the person could not ${verb}`)
  return new URL(value)
}

// Where the browser ended up.
export const allow = (url) => ask('allow', url)
export const deny = (url) => ask('deny', url)
export const connect = (url) => ask('connect', url)
export const open = (url) => ask('open', url)

// Nobody is left to ask.
export const end = () => process.stdin.destroy()
