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
    // It takes a call up in a later task: a destination beside its own hears of it then. heard: when there were n.
    window.sdk.taken = async (n) => {
        let hear
        const heard = new Promise((resolve) => (hear = resolve))
        const hook = (context) => {
            if (--n === 0) hear()
            return context
        }
        const plugin = { name: 'Taken', type: 'destination', version: '1', isLoaded: () => true, load: () => Promise.resolve() }
        await analytics.register({ ...plugin, page: hook, track: hook, identify: hook })
        return { heard }
    }
}
