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

// One entry for each SDK: open → {send(kind, message, person), close()}. A person is a browser or a request: Jitsu keeps state for one.
const SDKS = {
    'analytics-node'() {
        const { Analytics } = require('@segment/analytics-node')
        const analytics = new Analytics({ host, writeKey: key, flushAt: 7, flushInterval: 200, maxRetries: 5, httpRequestTimeout: timeout })
        analytics.on('error', (error) => refused.push(String(error.reason ?? error.code ?? error)))
        return { send: (kind, message) => analytics[kind](message), close: () => analytics.closeAndFlush({ timeout: 30000 }) }
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
        const people = new Map()
        const of = (person) => {
            if (!people.has(person))
                people.set(person, jitsuAnalytics({ host, writeKey: `${key}:any`, s2s: true, fetchTimeoutMs: timeout, errorPolicy: (error) => refused.push(error) }))
            return people.get(person)
        }
        const KINDS = {
            identify: (jitsu, { userId, traits }, options) => jitsu.identify(userId, traits, options),
            group: (jitsu, { groupId, traits }, options) => jitsu.group(groupId, traits, options),
            track: (jitsu, { event, properties }, options) => jitsu.track(event, properties, options),
            page: (jitsu, { name, properties }, options) => jitsu.page({ name, ...properties }, options),
        }
        return {
            async send(kind, message, person) {
                const { userId, anonymousId, context } = message
                if (KINDS[kind]) await KINDS[kind](of(person), message, { ...(userId && { userId }), ...(anonymousId && { anonymousId }), context })
            },
            async close() {},
        }
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
    for (const name of ['ada', 'grace', 'Zoë']) {
        const userId = `${run}:${name}`, anonymousId = `${run}:visitor:${name}`
        const call = (kind, message) => send(kind, message, name)
        await call('page', { anonymousId, name: 'Home', properties: { url: 'https://shop.example/?q=Schnürschuh' } })
        await call('track', { anonymousId, event: 'Product Viewed', timestamp: new Date(Date.now() - HOUR), context: { campaign: { source: 'news', name: 'Frühling' } } })
        await call('identify', { userId, anonymousId, traits: { email: `${name}@shop.example`, plan: 'pro', age: 36, name: 'Zoë ☃ 漢字' } })
        await call('group', { userId, groupId: 'g1', traits: { industry: 'shoes' } })
        for (let order = 1; order <= 5; order++)
            await call('track', { userId, event: 'Order Completed', properties: { order_id: `${name}-${order}`, total: 19.995, products: [{ sku: 'b1', price: 19.995, quantity: 1 }] } })
        await call('track', { userId, event: 'Order Completed', properties: { order_id: `${name}-large`, total: 0.005, note: NOTE } })
        await call('track', { userId, event: 'Größe gewählt ☃ 漢字 🎉', properties: { 'größe': 'XL' } })
        await call('screen', { userId, name: 'Start' })
    }
    await send('track', { anonymousId: `${run}:old`, event: 'Newsletter Opened' }, 'old')
    await send('alias', { userId: `${run}:ada`, previousId: `${run}:old` }, 'old')
    await close()
    console.log(JSON.stringify({ refused }))
}
main()
