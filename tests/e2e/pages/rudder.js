import { RudderAnalytics } from '@rudderstack/analytics-js/bundled'
import './calls.js'

window.start = ({ host, key, transport }) => {
    const analytics = new RudderAnalytics()
    const opened = new Promise((resolve) => analytics.ready(resolve))
    analytics.load(key, host, {
        configUrl: host,
        useBeacon: transport === 'beacon',
        beaconQueueOptions: { maxItems: 5, flushQueueInterval: 300 },
        queueOptions: { minRetryDelay: 200, ...(transport === 'batch' && { batch: { enabled: true, maxItems: 5, flushInterval: 300 } }) },
    })
    window.sdk = {
        page: (name, properties) => analytics.page(undefined, name, properties),
        track: (...args) => analytics.track(...args),
        identify: (...args) => analytics.identify(...args),
        group: (...args) => analytics.group(...args),
        alias: (...args) => analytics.alias(...args),
    }
    return opened
}
