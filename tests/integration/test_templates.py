"""Ready definitions: what the console offers can be saved as it is."""
from support.client import bearer


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
