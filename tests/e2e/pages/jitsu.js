import { jitsuAnalytics } from '@jitsu/js'
import './calls.js'

window.start = ({ host, key }) => {
    const jitsu = jitsuAnalytics({ host, writeKey: `${key}:any` })
    window.sdk = {
        page: (name, properties) => jitsu.page({ name, ...properties }),
        track: (...args) => jitsu.track(...args),
        identify: (...args) => jitsu.identify(...args),
        group: (...args) => jitsu.group(...args),
    }
}
