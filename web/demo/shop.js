// A shop that adapts itself: it tells cohortd what its visitor does, asks which segments the visitor is in, and shows itself accordingly. The key and
// the server come from the address: ?key=WRITE_KEY&server=http://127.0.0.1:8080
const PRODUCTS = [
    { product_id: "p1", name: "Trail Boot", category: "shoes", price: 149, hue: 28 },
    { product_id: "p2", name: "Rain Jacket", category: "jackets", price: 119.5, hue: 205 },
    { product_id: "p3", name: "Day Pack", category: "bags", price: 64, hue: 150 },
    { product_id: "p4", name: "Wool Scarf", category: "accessories", price: 34.99, hue: 345 },
    { product_id: "p5", name: "Tent for Two", category: "camping", price: 249, hue: 90 },
    { product_id: "p6", name: "Camp Stove", category: "camping", price: 59.99, hue: 12 },
    { product_id: "p7", name: "Lantern", category: "camping", price: 29.99, hue: 45 },
    { product_id: "p8", name: "Compass", category: "accessories", price: 24.5, hue: 260 },
]
const EVERY = 6000 // ms between two looks at the segments: the script keeps them for 5 s

const find = (id) => document.getElementById(id)
const money = (amount) => amount.toFixed(2) + " €"
const address = new URLSearchParams(location.search)

// The script, as the page of a real shop has it in its head.
const tracker = document.createElement("script")
tracker.src = new URL("c.js", address.get("server") || "http://127.0.0.1:8080")
tracker.dataset.key = address.get("key") || ""
tracker.dataset.page = ""
document.head.append(tracker)

const cart = JSON.parse(localStorage.getItem("cart") || "[]")
let segments = []

const track = (event, properties) => {
    cohortd.track(event, properties)
    const line = document.createElement("li")
    line.textContent = event
    find("sent").prepend(line)
}
const keep = () => {
    localStorage.setItem("cart", JSON.stringify(cart))
    find("count").textContent = cart.length
}
const price = (product) => product.price * (segments.includes("demo-vip") ? 0.9 : 1)

const view = ({ hue, ...product }) => track("Product Viewed", { ...product, currency: "EUR" })
const add = ({ hue, ...product }) => {
    cart.push(product)
    keep()
    track("Product Added", { ...product, quantity: 1, currency: "EUR" })
}
const buy = () => {
    if (!cart.length) return
    const total = Math.round(cart.reduce((sum, product) => sum + price(product), 0) * 100) / 100
    track("Order Completed", { order_id: "demo-" + Date.now(), total, currency: "EUR", products: cart.map((product) => ({ ...product, quantity: 1 })) })
    cart.length = 0
    keep()
}

const card = (product) => {
    const article = document.createElement("article")
    article.innerHTML = `<span class="art" style="--hue: ${product.hue}">${product.name[0]}</span><h3>${product.name}</h3><small>${product.category}</small>
        <div><strong></strong><button>Add</button></div>`
    const off = price(product) < product.price
    article.querySelector("strong").innerHTML = (off ? `<del>${money(product.price)}</del> ` : "") + money(price(product))
    article.onclick = () => view(product)
    article.querySelector("button").onclick = (event) => {
        event.stopPropagation()
        add(product)
    }
    return article
}
// Campers see camping first, who trusts us pays less, and a cart that was left is called to mind.
const show = () => {
    const first = (product) => (segments.includes("demo-camper") && product.category == "camping" ? 0 : 1)
    find("products").replaceChildren(...PRODUCTS.toSorted((a, b) => first(a) - first(b)).map(card))
    find("vip").hidden = !segments.includes("demo-vip")
    find("cart-left").hidden = !segments.includes("demo-cart-left")
    find("segments").replaceChildren(...segments.map((key) => Object.assign(document.createElement("li"), { textContent: key })))
}
const look = () =>
    cohortd.segments((keys) => {
        if (String(keys) == String(segments)) return
        segments = keys
        show()
    })

find("cart").onclick = find("checkout").onclick = buy
find("login").onclick = () => {
    cohortd.identify("ada", { email: "ada@shop.example", name: "Ada" })
    find("greeting").textContent = "Welcome back, Ada"
}
find("logout").onclick = () => {
    cohortd.reset()
    find("greeting").textContent = "Until soon"
    look()
}
find("out").onclick = () => {
    cohortd.optOut()
    look()
}
keep()
show()
look()
setInterval(look, EVERY)
