// What a visitor does, with whatever SDK start() of a page has opened: {page, track, identify, group, alias?, screen?}. RUN goes before every id.
const NOTE = 'x'.repeat(30000) + '€'.repeat(1200)

window.calls = async (run) => {
    const { page, track, identify, group, alias, screen } = window.sdk
    page('Home', { section: 'Schnürschuhe' })
    track('Product Viewed', { sku: 'b1' })
    await identify(`${run}:ada`, { email: 'ada@shop.example', plan: 'pro', name: 'Zoë ☃ 漢字' })
    group(`${run}:g1`, { industry: 'shoes' })
    for (let order = 1; order <= 5; order++)
        track('Order Completed', { order_id: `${order}`, total: 19.995, products: [{ sku: 'b1', price: 19.995, quantity: 1 }] })
    track('Order Completed', { order_id: 'large', total: 0.005, note: NOTE })
    track('Größe gewählt ☃ 漢字 🎉', { größe: 'XL' })
    screen?.('Start')
    alias?.(`${run}:ada`, `${run}:old`)
}

// What a visitor does just before leaving.
window.leave = async (run) => {
    const { page, track, identify, taken } = window.sdk
    const all = await taken?.(6)
    page('Home')
    await identify(`${run}:ada`, { plan: 'pro' })
    for (let n = 1; n <= 4; n++) track('Left', { n, total: 19.995 })
    await all?.heard // a tab closed before an SDK has taken its calls up loses them, whoever serves
}
