// Sends known traffic with the real @segment/analytics-node and prints what was sent of each kind, as JSON, once all is flushed.
//   node send.js HOST WRITE_KEY [HTTP_TIMEOUT_MS]
'use strict'
const { Analytics } = require('@segment/analytics-node')

const [host, writeKey, timeout] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 7, flushInterval: 200, maxRetries: 5, httpRequestTimeout: Number(timeout ?? 5000) })
const sent = { identify: 0, track: 0, page: 0, screen: 0, group: 0, alias: 0 }
const errors = []
analytics.on('error', (error) => errors.push(String(error.reason ?? error.code ?? error)))

function send(kind, message) {
    analytics[kind](message)
    sent[kind]++
}

async function main() {
    for (const user of ['ada', 'grace', 'Zoë']) {
        send('identify', { userId: user, traits: { email: `${user}@shop.example`, plan: 'pro', age: 36 } })
        send('group', { userId: user, groupId: 'g1', traits: { industry: 'shoes' } })
        for (let order = 1; order <= 10; order++) {
            send('track', {
                userId: user,
                event: 'Order Completed',
                properties: { order_id: `${user}-${order}`, total: 19.99, products: [{ sku: 'b1', price: 19.99, quantity: 1 }] },
            })
        }
        send('page', { userId: user, name: 'Home', properties: { url: 'https://shop.example/' } })
        send('screen', { userId: user, name: 'Start' })
    }
    send('track', { anonymousId: 'visitor-1', event: 'Product Viewed', timestamp: new Date(Date.now() - 3600e3), context: { campaign: { source: 'news' } } })
    send('alias', { userId: 'ada', previousId: 'visitor-1' })
    await analytics.closeAndFlush({ timeout: 30000 })
    console.log(JSON.stringify({ sent, errors }))
}
main()
