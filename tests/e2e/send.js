// Makes the same calls with a real SDK for Node, and prints {refused: […]} once all is flushed: what the SDK itself said it could not send.
//   node send.js SDK HOST WRITE_KEY RUN TIMEOUT_MS
// RUN goes before every id, so that runs do not meet. The calls are those of Segment's spec; SDKS says how an SDK makes one.
'use strict'
const [sdk, host, key, run] = process.argv.slice(2)
const timeout = Number(process.argv[6])
const refused = []
const HOUR = 3600e3
// A large order is over 32 KiB on the wire; analytics-node 6 refuses a message that is so before its envelope.
const NOTE = 'x'.repeat(sdk === 'analytics-node-6' ? 20000 : 60000) + '€'.repeat(4200)

// One entry for each SDK: open → {send(kind, message), close()}, whose promises end when the call or all calls are done.
const SDKS = {
    'analytics-node'() {
        const { Analytics } = require('@segment/analytics-node')
        const analytics = new Analytics({ host, writeKey: key, flushAt: 7, flushInterval: 200, maxRetries: 10, httpRequestTimeout: timeout })
        analytics.on('error', (error) => refused.push(String(error.reason ?? error.code ?? error)))
        return { send: (kind, message) => analytics[kind](message), close: () => analytics.closeAndFlush({ timeout: 120000 }) }
    },

    'analytics-node-6'() {
        const Analytics = require('analytics-node')
        return flushing(new Analytics(key, { host, flushAt: 7, timeout, errorHandler: (error) => refused.push(String(error)) }))
    },

    'rudder-node'() {
        const Analytics = require('@rudderstack/rudder-sdk-node')
        const options = { dataPlaneUrl: host, flushAt: 7, timeout, logLevel: 'none', errorHandler: (error) => refused.push(String(error)) }
        const analytics = flushing(new Analytics(key, options))
        return { ...analytics, send: (kind, { timestamp, ...message }) => analytics.send(kind, { originalTimestamp: timestamp, ...message }) }
    },

    'jitsu-node'() {
        const { jitsuAnalytics } = require('@jitsu/js')
        const options = { s2s: true, fetchTimeoutMs: timeout, errorPolicy: (error) => refused.push(error) }
        const jitsu = jitsuAnalytics({ host, writeKey: `${key}:any`, ...options })
        const KINDS = {
            identify: ({ userId, traits }, who) => jitsu.identify(userId, traits, who),
            group: ({ groupId, traits }, who) => jitsu.group(groupId, traits, who),
            track: ({ event, properties }, who) => jitsu.track(event, properties, who),
            page: ({ name, properties }, who) => jitsu.page({ name, ...properties }, who),
        }
        return { send: (kind, { userId, anonymousId, context, ...message }) => KINDS[kind]?.({ userId, ...message }, { userId, anonymousId, context }), close() {} }
    },
}

// What analytics-node 6 and its fork have in common: a flush sends flushAt messages, and closing is flushing until nothing is left.
function flushing(analytics) {
    let open = 0
    return {
        send(kind, message) {
            open++
            analytics[kind](message, () => open--)
        },
        async close() {
            while (open) {
                await analytics.flush()
                await new Promise((resolve) => setTimeout(resolve, 20))
            }
        },
    }
}

async function main() {
    const { send, close } = SDKS[sdk]()
    const people = ['ada', 'grace', 'Zoë'].map((name) => ({ name, userId: `${run}:${name}`, anonymousId: `${run}:visitor:${name}` }))
    for (const { anonymousId } of people) {
        await send('page', { anonymousId, name: 'Home', properties: { url: 'https://shop.example/?q=Schnürschuh' } })
        await send('track', { anonymousId, event: 'Product Viewed', timestamp: new Date(Date.now() - HOUR), context: { campaign: { source: 'news', name: 'Frühling' } } })
    }
    await send('track', { anonymousId: `${run}:old`, event: 'Newsletter Opened' })
    for (const { name, userId, anonymousId } of people) {
        await send('identify', { userId, anonymousId, traits: { email: `${name}@shop.example`, plan: 'pro', age: 36, name: 'Zoë ☃ 漢字' } })
        await send('group', { userId, groupId: 'g1', traits: { industry: 'shoes' } })
        for (let order = 1; order <= 5; order++)
            await send('track', { userId, event: 'Order Completed', properties: { order_id: `${name}-${order}`, total: 19.995, products: [{ sku: 'b1', price: 19.995, quantity: 1 }] } })
        await send('track', { userId, event: 'Order Completed', properties: { order_id: `${name}-large`, total: 0.005, note: NOTE } })
        await send('track', { userId, event: 'Größe gewählt ☃ 漢字 🎉', properties: { größe: 'XL' } })
        await send('screen', { userId, name: 'Start' })
    }
    await send('alias', { userId: `${run}:ada`, previousId: `${run}:old` })
    await close()
    console.log(JSON.stringify({ refused }))
    process.exit() // Jitsu leaves timers behind
}
main()
