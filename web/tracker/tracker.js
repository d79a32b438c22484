// cohortd's script for web pages. The one idea: an event stands in localStorage, under a key of its own, from the call until the server has said that it
// is stored; whoever finds it there (this page later, the next one, another tab) may send it, because the server knows it again by its messageId. So tabs
// share the queue without a lock, and nothing is lost with a page or counted twice. The invariants: nothing is thrown into the page, nothing is
// stored before the visitor's choice (optOut, Global Privacy Control) is known, and no request needs a preflight.
const { dataset = {}, src = location.href } = document.currentScript || document.querySelector("script[data-key]") || {}
const { key, to, page, spa, gpc } = dataset
const endpoint = new URL(to || "e", src).href

const BATCH = 10 // events of a request,
const BYTES = 6e4 // and bytes: what may be under way when a page ends is 64 KiB
const WAIT = 2e3 // ms for a batch to fill
const STORED = 100 // events in localStorage; as many more as fit BUFFERED wait in memory alone
const BUFFERED = 1e3
const AGE = 864e5 // ms after which an event is given up
const FRESH = 5e3 // ms for which segments are kept
const BACKOFF = 6e4 // ms between two tries at most, unless the server asks for more

// --- What the visitor's browser keeps: `cohortd` the ids and traits, `cohortd.out` the opt-out, `cohortd.hold` when the server wants to be
// asked again, `cohortd.TIME.ID.KEY` an event ---

const NAME = "cohortd"
const OUT = NAME + ".out"
const HOLD = NAME + ".hold"

// Private modes and full disks throw from any of these; then memory has to do.
const storage = (method, ...args) => {
    try {
        return localStorage[method](...args)
    } catch {}
}
const parse = (text) => {
    try {
        return JSON.parse(text)
    } catch {}
}
const names = (suffix) => {
    try {
        return Object.keys(localStorage).filter((name) => /^cohortd\.\d/.test(name) && name.endsWith(suffix))
    } catch {
        return []
    }
}

const control = navigator.globalPrivacyControl
const discreet = control && gpc != "keep" // nothing is stored: an anonymous visitor is one for this page only
let gone // opted out, where that cannot be stored
const out = () => gone || storage("getItem", OUT)
const forget = () => {
    waiting.clear()
    person = {}
    for (const name of [NAME, HOLD, ...names("")]) storage("removeItem", name)
}

let person = {} // {a: anonymousId, u: userId, t: traits}
const save = (change) => {
    const text = JSON.stringify({ ...person, ...change })
    person = parse(text)
    if (discreet) return
    storage("setItem", NAME, text)
    if (storage("getItem", NAME) != text) storage("removeItem", NAME) // full: rather nothing than what was before
}
// Another tab may have identified, or reset, so storage goes first.
const who = () => {
    if (!discreet) person = parse(storage("getItem", NAME)) || person
    if (!person.a) save({ a: uuid() })
    return person
}

// crypto.randomUUID is there in secure contexts only.
const uuid = () =>
    crypto.randomUUID?.() ??
    "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) => (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16))

// --- The queue ---

let waiting = new Map() // name in storage → the message's JSON, oldest first
let sending = [] // the batch under way
let timer
let fails = 0
let until = 0 // cohortd.hold, where that cannot be stored

const size = (text) => new Blob([text]).size
const done = (batch) => batch.forEach(([name]) => storage("removeItem", name))
const putBack = (batch) => (waiting = new Map([...batch, ...waiting]))

// Takes the next batch out: at least one event, whatever its size.
const take = () => {
    const batch = []
    let bytes = 0
    for (const entry of waiting) {
        const [name, text] = entry
        bytes += size(text)
        if (batch.length == BATCH || (batch.length && bytes > BYTES)) break
        waiting.delete(name)
        if (Date.now() - name.split(".")[1] > AGE) done([entry])
        else batch.push(entry)
    }
    return batch
}
const body = (batch) =>
    `{"writeKey":${JSON.stringify(key)},"sentAt":"${new Date().toISOString()}","batch":[${batch.map((entry) => entry[1])}]}`

// How long the server wants to be left alone, by every page.
const hold = () => Math.min(AGE, (storage("getItem", HOLD) || until) - Date.now())

const schedule = (delay = waiting.size < BATCH ? WAIT : 0) => {
    if (!sending[0] && waiting.size) timer ||= setTimeout(flush, Math.max(delay, hold()))
}
const flush = () => {
    timer = clearTimeout(timer)
    if (out()) waiting.clear()
    if (hold() > 0) return schedule()
    if (sending[0] || !(sending = take())[0]) return
    const text = body(sending)
    new Promise((resolve) => {
        // keepalive lets it outlive the page; once it has failed, the budget of keepalive may be the reason.
        const keepalive = !fails && size(text) < BYTES + 2e3
        resolve(fetch(endpoint, { method: "POST", body: text, keepalive, credentials: "omit", signal: AbortSignal.timeout?.(3e4) }))
    })
        .catch(() => ({}))
        .then(({ status = 0, headers }) => {
            const batch = sending
            sending = []
            // 408 and 429 ask for patience; any other fault of ours stays one.
            if (status && status < 500 && status != 408 && status != 429) {
                fails = 0
                done(batch)
                return schedule(0) // what came meanwhile has waited enough
            }
            putBack(batch)
            const wait = Math.min(BACKOFF, 1e3 * 2 ** fails++) / 2
            const asked = headers?.get("Retry-After") * 1e3
            if (asked) {
                until = Date.now() + asked
                if (!discreet) storage("setItem", HOLD, until)
            }
            schedule(Math.max(asked || 0, wait) + Math.random() * wait)
        })
}

// The page may end now, and nobody will see an answer: what is sent stays stored, and is sent again later. What cannot be stored counts as sent.
const leave = () => {
    if (out() || hold() > 0) return
    const doubtful = []
    let batch
    while ((batch = take())[0] && navigator.sendBeacon?.(endpoint, body(batch)))
        if (fails || !navigator.onLine) doubtful.push(...batch.filter(([name]) => !storage("getItem", name)))
    putBack([...doubtful, ...batch])
}
// What other pages have left behind.
const adopt = () => {
    if (discreet || out()) return
    for (const name of names("." + key).sort()) {
        const text = storage("getItem", name)
        if (text && !sending.some((entry) => entry[0] == name)) waiting.set(name, text)
    }
    schedule()
}

// --- Messages ---

const canonicalOf = () => {
    try {
        return new URL(document.querySelector("link[rel=canonical]").href)
    } catch {}
}
const pageOf = () => {
    const { href, pathname, search } = location
    const canonical = canonicalOf()
    return {
        path: canonical ? canonical.pathname : pathname,
        referrer: document.referrer,
        search,
        title: document.title,
        url: canonical ? canonical.href + (canonical.search ? "" : search) : href.split("#")[0],
    }
}
const contextOf = () => {
    const campaign = {}
    new URLSearchParams(location.search).forEach((value, name) => {
        if (name.startsWith("utm_")) campaign[name == "utm_campaign" ? "name" : name.slice(4)] = value
    })
    return {
        page: pageOf(),
        campaign: Object.keys(campaign)[0] && campaign,
        userAgent: navigator.userAgent,
        userAgentData: navigator.userAgentData,
        locale: navigator.language,
        timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        library: { name: "cohortd.js", version: "1" },
        consent: control ? { gpc: true } : undefined,
    }
}
const send = (message, options) => {
    if (out() || waiting.size >= BUFFERED) return
    const { a, u } = who()
    const messageId = uuid()
    const name = [NAME, Date.now(), messageId, key].join(".")
    const text = JSON.stringify({
        messageId,
        timestamp: new Date().toISOString(),
        anonymousId: a,
        userId: u,
        ...message,
        ...options,
        context: { ...contextOf(), ...options?.context },
    })
    if (!discreet && names("").length < STORED) storage("setItem", name, text)
    waiting.set(name, text)
    if (document.visibilityState == "hidden") leave()
    else if (waiting.size >= BATCH && !fails) flush()
    else schedule()
}

// --- What a page may call ---

let known // {url, at, segments}: the last answer about segments

const calls = {
    page(...args) {
        const words = []
        while (typeof args[0] == "string") words.push(args.shift())
        const [name, category] = words.reverse()
        const [properties, options] = args
        send({ type: "page", name, category, properties: { ...pageOf(), ...properties, ...(name && { name }), ...(category && { category }) } }, options)
    },
    track(event, properties, options) {
        send({ type: "track", event, properties }, options)
    },
    identify(id, traits, options) {
        if (id && typeof id == "object") return calls.identify(null, id, traits)
        if (out()) return
        const { u, t } = who()
        const other = id && u && u != id // somebody else at the same browser
        save({ u: id || u, t: { ...(other ? {} : t), ...traits }, ...(other && { a: uuid() }) })
        send({ type: "identify", traits: person.t }, options)
    },
    group(groupId, traits, options) {
        send({ type: "group", groupId, traits }, options)
    },
    alias(userId, previousId, options) {
        const { a, u } = out() ? {} : who()
        send({ type: "alias", userId, previousId: previousId || u || a }, options)
    },
    reset() {
        if (!out()) save({ a: uuid(), u: undefined, t: undefined })
    },
    optOut(yes = true) {
        if ((gone = yes)) {
            forget()
            storage("setItem", OUT, "1")
        } else storage("removeItem", OUT)
    },
    segments(callback) {
        if (out()) return Promise.resolve([]).then(callback)
        const { a, u } = who()
        const url = endpoint + "?" + new URLSearchParams({ writeKey: key, anonymousId: a, ...(u && { userId: u }) })
        if (known?.url != url || Date.now() - known.at > FRESH) {
            const segments = fetch(url, { credentials: "omit" })
                .then((answer) => answer.json())
                .then((answer) => answer.segments || [])
                .catch(() => {
                    known = 0
                    return []
                })
            known = { url, at: Date.now(), segments }
        }
        known.segments.then(callback)
    },
}

// --- The page ---

// What the stub has kept: [name, …arguments].
const run = ([name, ...args]) => cohortd[name](...args)

const start = () => {
    for (const name in calls)
        cohortd[name] = (...args) => {
            try {
                calls[name](...args)
            } catch (error) {
                console.error(error)
            }
        }
    cohortd.q = { push: run } // for who took a method of the stub aside
    if (discreet || out()) forget()
    adopt()
    kept.forEach(run)
    addEventListener("pagehide", leave)
    addEventListener("online", flush)
    // Another tab has opted out, or has written something before it heard that we have.
    addEventListener("storage", () => out() && forget())
    addEventListener("pageshow", ({ persisted }) => {
        if (!persisted) return
        adopt()
        if (page != null) cohortd.page()
    })
    document.addEventListener("visibilitychange", () => (document.visibilityState == "hidden" ? leave() : adopt()))
    if (page != null) cohortd.page()
    if (spa != null) watch()
}
// A page of an application is a change of path or query.
const watch = () => {
    const where = () => location.pathname + location.search
    let last = where()
    const look = () =>
        setTimeout(() => {
            if (last == where()) return
            last = where()
            cohortd.page()
        }) // when the page has set its title
    for (const method of ["pushState", "replaceState"]) {
        const change = history[method]
        history[method] = function (...args) {
            change.apply(this, args)
            look()
        }
    }
    addEventListener("popstate", look)
}

const cohortd = (window.cohortd ||= {})
const kept = cohortd.q || []
// Not twice on a page, and not for one that the browser only prepares.
if (Array.isArray(kept)) {
    if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true })
    else start()
}
