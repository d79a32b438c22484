import { AnalyticsBrowser } from '@segment/analytics-next'
import './calls.js'

// settings: 'document' asks host for it, 'inline' asks for nothing.
window.start = async ({ host, key, settings, strategy, size = 5, timeout = 300 }) => {
    const apiHost = host.replace('http://', '') + '/v1'
    const config = { size, timeout, keepalive: strategy === 'keepalive' }
    const deliveryStrategy = strategy === 'standard' ? undefined : { strategy: 'batching', config }
    const cdnSettings = { integrations: { 'Segment.io': { apiKey: key, apiHost, protocol: 'http' } }, metrics: { sampleRate: 0 } }
    const [analytics] = await AnalyticsBrowser.load(
        { writeKey: key, ...(settings === 'inline' ? { cdnSettings } : { cdnURL: host }) },
        { integrations: { 'Segment.io': { apiHost, protocol: 'http', deliveryStrategy } } }
    )
    window.sdk = Object.fromEntries(['page', 'track', 'identify', 'group', 'alias', 'screen'].map((kind) => [kind, (...args) => analytics[kind](...args)]))
    window.sdk.page = (name, properties) => analytics.page(undefined, name, properties)
}
