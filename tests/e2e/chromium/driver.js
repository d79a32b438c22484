// Runs what browser.py sends, one JSON line {code, argument} at a time, and answers with a line {value} or {error}. The code is the body
// of an async function (browser, kept, argument): Playwright's browser, and an object that keeps contexts and pages between lines.
'use strict'
const readline = require('node:readline')
const { chromium } = require('playwright-core')

const ARGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--disable-dev-shm-usage', '--host-resolver-rules=MAP shop.example 127.0.0.1',
]

async function main() {
    const browser = await chromium.launch({
        executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
        args: ARGS,
        timeout: 60000,
        ignoreDefaultArgs: ['--disable-back-forward-cache'], // visitors have it
    })
    const kept = {}
    const AsyncFunction = main.constructor
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const { code, argument } = JSON.parse(line)
        let answer
        try {
            answer = { value: (await new AsyncFunction('browser', 'kept', 'argument', code)(browser, kept, argument)) ?? null }
        } catch (error) {
            answer = { error: String(error.stack ?? error) }
        }
        process.stdout.write(JSON.stringify(answer) + '\n')
    }
    await browser.close()
}
main().catch((error) => {
    process.stdout.write(JSON.stringify({ error: String(error.stack ?? error) }) + '\n')
    process.exit(1)
})
