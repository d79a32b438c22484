"""Definitions for bench/segments: three typical ones, some with windows, some without, and two hundred or a thousand over every form of the language."""

TYPICAL = {
    "big-spender": {"event": "Order Completed", "measure": {"sum": "total"}, "window": {"last": "365d"}, "gte": 1000},
    "looked-not-bought": {"all": [
        {"event": "Product Viewed", "where": {"property": "category", "eq": "boots"}, "window": {"last": "30d"}, "gte": 2},
        {"not": {"event": "Order Completed"}}]},
    "engaged": {"event": ["Email Opened", "Email Link Clicked"], "measure": "days", "window": {"last": "30d"}, "gte": 4},
}

# The same answers by hand, %(t)s the instant: one scan of the events for each, grouped.
SCANS = {
    "big-spender": "SELECT profile_id FROM event WHERE name_id = {Order Completed} AND ts > %(t)s - interval '31536000 s' AND ts <= %(t)s"
                   " GROUP BY profile_id HAVING sum((properties ->> 'total')::numeric) >= 1000",
    "looked-not-bought": "SELECT profile_id FROM event WHERE ts <= %(t)s AND (name_id = {Order Completed} OR name_id = {Product Viewed}"
                         " AND ts > %(t)s - interval '2592000 s' AND properties ->> 'category' = 'boots') GROUP BY profile_id"
                         " HAVING count(*) FILTER (WHERE name_id = {Product Viewed}) >= 2 AND count(*) FILTER (WHERE name_id = {Order Completed}) = 0",
    "engaged": "SELECT profile_id FROM event WHERE name_id IN ({Email Opened}, {Email Link Clicked}) AND ts > %(t)s - interval '2592000 s' AND ts <= %(t)s"
               " GROUP BY profile_id HAVING count(DISTINCT date_trunc('day', ts AT TIME ZONE 'UTC')) >= 4",
}
# And by hand over a covering index: bench.narrow holds each event's value (total or category) beside its key.
COVERED = {
    "big-spender": "SELECT profile_id FROM bench.narrow WHERE name_id = {Order Completed} AND ts > %(t)s - interval '31536000 s' AND ts <= %(t)s"
                   " GROUP BY profile_id HAVING sum(total) >= 1000",
    "looked-not-bought": "SELECT profile_id FROM bench.narrow WHERE name_id = {Product Viewed} AND category = 'boots' AND ts > %(t)s - interval '2592000 s'"
                         " AND ts <= %(t)s GROUP BY profile_id HAVING count(*) >= 2"
                         " EXCEPT SELECT profile_id FROM bench.narrow WHERE name_id = {Order Completed} AND ts <= %(t)s",
    "engaged": SCANS["engaged"].replace("event WHERE", "bench.narrow WHERE"),
}
NARROW = """
DROP TABLE IF EXISTS bench.narrow;
CREATE TABLE bench.narrow AS SELECT profile_id, name_id, ts, (properties ->> 'total')::numeric AS total,
    CASE WHEN name_id = {Product Viewed} THEN properties ->> 'category' END AS category
    FROM event WHERE name_id IN ({Order Completed}, {Product Viewed}, {Email Opened}, {Email Link Clicked});
CREATE INDEX narrow_idx ON bench.narrow (name_id, ts) INCLUDE (profile_id, total, category);
"""

# Windows of at most two weeks: as many events of a person are in them after 18 days of service as after a year.
WINDOWS = [
    {"event": "Product Viewed", "window": {"last": "14d"}, "gte": 3},
    {"event": "Product Viewed", "where": {"property": "category", "eq": "boots"}, "window": {"last": "7d"}},
    {"event": "Order Completed", "measure": {"sum": "total"}, "window": {"last": "14d"}, "gte": 200},
    {"event": "Order Completed", "window": {"last": "14d", "skip": "7d"}, "eq": 0},
    {"event": ["Product Viewed", "Product Added"], "measure": "days", "window": {"last": "14d"}, "gte": 2},
    {"event": "Product Viewed", "measure": {"distinct": "product_id"}, "window": {"last": "10d"}, "gte": 3},
    {"event": "*", "window": {"last": "3d"}, "gte": 4},
    {"all": [{"event": "Product Viewed", "window": {"last": "7d"}, "gte": 2}, {"event": "Order Completed", "window": {"last": "14d"}, "eq": 0}]},
    {"sequence": [{"event": "Product Viewed"}, {"event": "Product Added", "within": "1d"}], "window": {"last": "14d"}},
    {"event": "Product Viewed", "window": {"calendar": "this_week"}, "gte": 2},
]
EVER = [
    {"event": "Product Viewed", "gte": 10},
    {"not": {"event": "Product Shared"}},
    {"event": "Order Completed", "measure": {"sum": "total"}, "gte": 300},
    {"event": "Order Completed", "pick": "first", "where": {"property": "coupon", "exists": True}},
    {"event": "Product Viewed", "measure": {"distinct": "category"}, "gte": 5},
    {"event": "Product Viewed", "pick": "last", "where": {"property": "category", "eq": "boots"}},
]


def forms(v):
    """One definition of each kind; v sets the numbers, so that no two of another v are equal."""
    d = f"{3 + v % 40}d"
    return [
        {"event": "Product Viewed", "window": {"last": d}, "gte": 2 + v % 5},
        {"event": "Page Viewed", "window": {"last": d, "skip": "1d"}, "eq": 0},
        {"event": "*", "window": {"last": d}, "gte": 5 + v},
        {"event": ["Post Liked", "Product Shared", "Mention"], "window": {"last": d}, "gte": 2},
        {"event": "Order Completed", "measure": {"sum": "total"}, "window": {"last": "365d"}, "gte": 100 + v},
        {"event": "Order Completed", "measure": {"avg": "total"}, "gte": 60 + v},
        {"event": "Order Completed", "measure": {"max": "products[].price"}, "gte": 40 + v % 40},
        {"event": "Order Completed", "measure": {"min": "total"}, "between": [10, 80 + v]},
        {"event": "Product Viewed", "measure": {"distinct": "product_id"}, "window": {"last": d}, "gte": 3},
        {"event": "Email Opened", "measure": "days", "window": {"last": d}, "gte": 2},
        {"event": "Order Completed", "measure": "months", "window": {"last": "365d"}, "gte": 2 + v % 4},
        {"event": "Session Started", "measure": "weeks", "gte": 4 + v % 9},
        {"event": "Order Completed", "pick": "first", "where": {"property": "coupon", "exists": True}, "window": {"last": f"{30 + v}d"}},
        {"event": "Product Viewed", "pick": "last", "where": {"property": "category", "in": ["boots", f"c{v}"]}},
        {"event": "Order Completed", "where": {"property": "products[]", "has": {"all": [
            {"property": "category", "eq": "shoes"}, {"property": "price", "gte": v % 60}]}}},
        {"event": "Email Link Clicked", "where": {"context": "campaign.source", "eq": "newsletter"}, "window": {"last": d}},
        {"event": "Session Started", "where": {"time": "hour", "between": [18, 23]}, "window": {"last": d}, "gte": 2},
        {"event": "Product Viewed", "where": {"property": "name", "contains": "BOOT", "ignore_case": True}, "window": {"last": d}, "gte": 4},
        {"event": "Order Completed", "window": {"from": "2026-01-01", "to": f"2027-01-{1 + v % 28:02}"}, "gte": 1 + v // 28},
        {"event": "Page Viewed", "window": {"calendar": ("today", "this_week", "last_week", "this_month")[v % 4]}, "gte": 1 + v // 4},
        {"event": "Session Started", "window": {"after": {"profile": "first_seen"}, "for": d}, "gte": 3},
        {"event": "Page Viewed", "window": {"before": {"trait": "trial_end"}, "for": d}},
        {"all": [{"event": "Product Viewed", "window": {"last": d}, "gte": 3}, {"not": {"event": "Order Completed"}}]},
        {"any": [{"event": "Survey Answered", "where": {"property": "score", "gte": 9}}, {"event": "Mention", "gte": 2 + v % 7}]},
        {"some": [{"event": "Product Added", "window": {"last": d}}, {"event": "Email Opened", "window": {"last": d}, "gte": 2},
                  {"trait": "plan", "eq": "pro"}], "gte": 2},
        {"score": [{"if": {"event": "Checkout Started", "window": {"last": d}}, "points": 30},
                   {"if": {"event": "Email Opened", "window": {"last": "30d"}, "gte": 3}, "points": 10}], "gte": 30},
        {"sequence": [{"event": "Product Added"}, {"event": "Checkout Started", "within": "1h", "same": "cart_id"},
                      {"absent": "Order Completed", "for": "2h", "same": "cart_id"}], "window": {"last": d}},
        {"sequence": [{"event": "Product Viewed"}, {"event": "Product Viewed", "times": 2, "within": "2d"}, {"absent": "Product Added"}, {"event": "Order Completed"}], "span": d},
        {"sequence": [{"event": "Checkout Started"}, {"absent": "Order Completed"}], "window": {"last": d}},
        {"trait": "plan", "in": ["pro", "team", f"x{v}"]},
        {"trait": "trial_end", "within_next": d},
        {"trait": "birthday", "anniversary_in": d},
        {"trait": "tags[]", "eq": f"t{v}"},
        {"profile": "last_seen", "within_last": d},
        {"profile": "first_seen", "within_last": f"{100 + v}d"},
        {"all": [{"profile": "identified", "eq": True}, {"bucket": f"salt{v}", "from": 0, "to": 12.5}]},
        {"all": [{"consent": "email", "eq": "granted"}, {"event": "Email Opened", "window": {"last": d}}]},
        {"all": [{"segment": "s0"}, {"event": "Product Added", "window": {"last": d}}]},
        {"not": {"segment": f"s{v * 40}"}},
        {"event": "Points Earned", "gte": 1 + v},
    ]


def mixed(count):
    """{key: definition}, so many."""
    found = {}
    for v in range((count + 39) // 40):
        for i, definition in enumerate(forms(v)):
            found[f"s{v * 40 + i}"] = definition
    return dict(list(found.items())[:count])
