"""Ready definitions: what the console offers can be saved as it is."""
import json

import pytest

from support.client import bearer
from support.house import House, iso

DAY = 86_400 * 1_000_000
ORDER = "Order Completed"


def order(*days, **properties):
    return [(ORDER, day, properties) for day in days]


def opened(*days, **properties):
    return [("Email Opened", day, properties) for day in days]


# For each template: people that it selects and people that it does not. A person is a list of (event, days ago, properties?, context?), or traits.
SHOP = {
    "big_spenders": (
        [order(300, revenue=600) + order(3, total="400.00"), order(9, revenue=None, value=1000), order(1, 2, revenue=500, total=1)],
        [order(3, revenue=999.99, total=5000), order(400, revenue=5000) + order(3, revenue=10), order(3, revenue="much"), []],
    ),
    "repeat_buyers": ([order(700, 1)], [order(1), [("Product Added", 1), ("Product Added", 2)]]),
    "first_order_with_coupon": ([order(5, coupon="SPRING")], [order(5), order(40) + order(5, coupon="SPRING"), order(40, coupon="SPRING")]),
    "bought_category": (
        [order(5, products=[{"category": "hats", "price": 9}, {"category": "shoes", "price": "50"}])],
        [order(5, products=[{"category": "shoes", "price": 9}, {"category": "hats", "price": 90}]), order(95, products=[{"category": "shoes", "price": 90}])],
    ),
    "high_average_order": ([order(9, revenue=100) + order(8, total=200)], [order(9, revenue=100) + order(8, total=199.98), order(9, points=500), []]),
    "cart_left_behind": (
        [[("Product Added", 1.01), ("Checkout Started", 1)]],
        [
            [("Product Added", 1.01), ("Checkout Started", 1), (ORDER, 0.95)], [("Product Added", 1.01), ("Checkout Started", 0.01)],
            [("Product Added", 1.1), ("Checkout Started", 1)], [("Product Added", 1)],
        ],
    ),
    "looked_never_bought": (
        [[("Product Viewed", day, {"category": "boots"}) for day in (1, 2, 3)]],
        [
            [("Product Viewed", day, {"category": "boots"}) for day in (1, 2, 8)], [("Product Viewed", day, {"category": "hats"}) for day in (1, 2, 3)],
            [("Product Viewed", day, {"category": "boots"}) for day in (1, 2, 3)] + order(500),
        ],
    ),
    "frequent_visitors": ([[("Page Viewed", day) for day in (1, 3, 5, 7, 9)]], [[("Page Viewed", day) for day in (1, 1, 3, 3, 5, 5, 7, 7)]]),
    "from_campaign": (
        [[("Page Viewed", 2, {}, {"campaign": {"source": "newsletter"}})]],
        [[("Page Viewed", 2, {}, {"campaign": {"source": "ads"}})], [("Page Viewed", 31, {}, {"campaign": {"source": "newsletter"}})]],
    ),
    "email_engaged": (
        [opened(1, 3, 5) + [("Email Link Clicked", 7)], opened(1, 3, 5, 7, machine_open=False)],
        [opened(1, 3, 5, 7, machine_open=True), opened(1, 3, 5) + opened(7, 9, machine_open=True), opened(1, 1, 1, 1)],
    ),
    "email_unengaged": (
        [[("Email Delivered", day) for day in range(1, 6)] + opened(2, 3, machine_open=True)],
        [[("Email Delivered", day) for day in range(1, 6)] + opened(2), [("Email Delivered", day) for day in range(1, 5)]],
    ),
    "email_clicked_not_bought": (
        [[("Email Link Clicked", 3)], [("Email Link Clicked", 3), (ORDER, 1.5)]],
        [[("Email Link Clicked", 3), (ORDER, 2.5)], [("Email Link Clicked", 0.5)], [("Email Link Clicked", 15)]],
    ),
    "social_advocates": ([[("Product Shared", 1), ("Post Liked", 2), ("Mention", 3)]], [[("Product Shared", 1), ("Post Liked", 2), ("Mention", 31)]]),
    "social_sharers_who_buy": ([order(400) + [("Cart Shared", 5)]], [order(4), [("Cart Shared", 5)], order(4) + [("Product Shared", 91)]]),
    "loyal_all_year": ([order(5, 40, 75, 110, 145, 180)], [order(5, 6, 7, 40, 75, 110), order(*range(400, 700, 35))]),
    "birthday_soon": ([{"birthday": "in 3"}, {"birthday": "in 0"}], [{"birthday": "in 9"}, {"birthday": "soon"}, {}]),
    "loyal_brand_buyers": (
        [order(9, products=[{"product_id": n} for n in range(6)]) + order(2, products=[{"product_id": n} for n in range(4, 10)])],
        [order(9, products=[{"product_id": n} for n in range(9)]) + order(2, products=[{"product_id": 1}])],
    ),
    "promoters": (
        [[("Survey Answered", 9, {"survey": "nps", "score": 9})]],
        [[("Survey Answered", 9, {"survey": "nps", "score": 8})], [("Survey Answered", 9, {"survey": "other", "score": 10})]],
    ),
    "detractors": (
        [
            [("Survey Answered", 9, {"survey": "nps", "score": 9}), ("Survey Answered", 2, {"survey": "nps", "score": 6})],
            [("Survey Answered", 9, {"survey": "nps", "score": 3}), ("Survey Answered", 2, {"survey": "delivery", "score": 9})],
        ],
        [[("Survey Answered", 9, {"survey": "nps", "score": 3}), ("Survey Answered", 2, {"survey": "nps", "score": 8})]],
    ),
    "bad_review": ([[("Product Reviewed", 5, {"rating": 2})]], [[("Product Reviewed", 5, {"rating": 3})], [("Product Reviewed", 35, {"rating": 1})]]),
    "lifecycle_new": ([[("Page Viewed", 3)]], [[("Page Viewed", 3), ("Page Viewed", 31)], {"plan": "none of events"}]),
    "lifecycle_activated": (
        [[("Session Started", day) for day in (100, 99, 94)]], [[("Session Started", day) for day in (100, 99, 92)], [("Session Started", 100)]],
    ),
    "lifecycle_active": ([order(59)], [order(61), []]),
    "lifecycle_at_risk": ([order(61), order(300, 100)], [order(59), order(121), order(100, 5), []]),
    "lifecycle_lapsed": ([order(121), order(500, 400)], [order(119), order(500, 5), []]),
    "lifecycle_won_back": ([order(200, 5), order(700, 151, 29, 1)], [order(200, 100, 5), order(5), order(200), order(200, 31)]),
    "lead_score": (
        [[("Demo Requested", 300)] + opened(1, 2, 3), [("Demo Requested", 9), ("Page Viewed", 5, {"path": "/pricing"})]],
        [[("Demo Requested", 9)], [("Demo Requested", 9)] + opened(1, 2) + opened(3, machine_open=True), opened(1, 2, 3) + [("Page Viewed", 5, {"path": "/pricing"})]],
    ),
}


def test_templates_can_be_saved(house):
    answer = house.api.get("/v1/templates")
    assert answer.status == 200 and answer.json["next"] is None and answer.json["next_cursor"] is None
    templates = answer.json["data"]
    assert {template["category"] for template in templates} == {"purchase", "website", "email", "social", "loyalty", "feedback", "lifecycle"}
    for template in templates:
        body = {"key": template["key"], "name": template["name"], "description": template["description"], "kind": "rule", "definition": template["definition"]}
        assert house.api.post("/v1/segments", body).status == 201, template["key"]
    for template in templates:
        house.live(template["key"])


def test_a_template_with_a_value_of_ones_own(house):
    (template,) = [template for template in house.api.get("/v1/templates").json["data"] if template["key"] == "big_spenders"]
    definition, amount = template["definition"], template["parameters"][0]
    assert amount["pointer"] == "/gte" and definition["gte"] == amount["default"]
    definition["gte"] = 10
    house.segment("spent-ten", definition)
    house.track("u1", "Order Completed", {"total": 10})
    house.track("u2", "Order Completed", {"total": 9.99})
    assert house.members("spent-ten") == {"u1"}


def test_a_read_key_is_enough(house):
    assert house.client(bearer(house.read_key)).get("/v1/templates").status == 200
    assert house.client(bearer(house.write_key)).get("/v1/templates").status == 403
    assert house.api.get("/v1/templates?x=1").code == "unknown_parameter"


def messages(user, person, now):
    if isinstance(person, dict):
        in_days = lambda v: "1992" + iso(now + int(v[3:]) * DAY)[4:10] if v.startswith("in ") else v  # noqa: E731
        return [{"type": "identify", "userId": user, "traits": {"known": True, **{key: in_days(value) for key, value in person.items()}}}]
    made = [{"type": "identify", "userId": user, "traits": {"known": True}}]
    for name, ago, *more in person:
        properties, context = (more + [{}, {}])[:2]
        made.append(
            {"type": "track", "userId": user, "event": name, "timestamp": iso(now - int(ago * DAY)), "properties": properties, "context": context}
        )
    return made


def test_each_template_selects_the_right_people():
    """A shop of its own, whose people were made for one template each."""
    with House() as house:
        house.not_at_midnight()  # a birthday that is today
        now = house.now()
        templates = {template["key"]: template for template in house.api.get("/v1/templates").json["data"]}
        assert set(templates) == set(SHOP)
        for key, sides in SHOP.items():
            for side, people in zip(("in", "out"), sides):
                for n, person in enumerate(people):
                    house.send(*messages(f"{key}-{side}-{n}", person, now))
        for key, template in templates.items():
            house.segment(key, template["definition"], description=template["description"])
        wrong = {}
        for key, sides in SHOP.items():
            made = {user for user in house.members(key) if user.startswith(key + "-")}
            if made != {f"{key}-in-{n}" for n in range(len(sides[0]))}:
                wrong[key] = made
        assert not wrong, wrong


@pytest.mark.parametrize("bad", ["{", "http", "JSON", "SQL", "null", "neq", "property"])
def test_templates_speak_a_marketer_s_words(house, bad):
    for template in house.api.get("/v1/templates").json["data"]:
        words = [template["name"], template["description"], *[parameter["label"] for parameter in template["parameters"]]]
        assert all(bad not in text and 3 <= len(text) <= 160 for text in words), words
        assert template["description"].endswith(".") and template["parameters"], template["key"]
        json.dumps(template["definition"], default=str)
