"""openapi.yaml names every endpoint of the spine, and only what a client can rely on. (Every other suite holds its answers against it.)"""
from support import openapi

SPINE = {
    "/v1/track": "post", "/v1/identify": "post", "/v1/page": "post", "/v1/screen": "post", "/v1/group": "post", "/v1/alias": "post",
    "/v1/batch": "post",
    "/v1/import": "post", "/v1/b": "post", "/v1/t": "post", "/v1/i": "post", "/v1/p": "post", "/v1/s": "post", "/v1/g": "post",
    "/v1/a": "post",
    "/v1/rejects": "get", "/v1/segments": "get", "/v1/segments/{key}": "get", "/v1/segments/{key}/members": "get",
    "/v1/segments/{key}/members/{user_id}": "get",
    "/v1/segments/{key}/changes": "get", "/v1/changes": "get", "/v1/profiles/{user_id}/segments": "get", "/v1/events/names": "get",
    "/v1/status": "get",
    "/healthz": "get", "/readyz": "get", "/metrics": "get",
}


def test_every_endpoint_of_the_spine_is_there():
    for path, method in SPINE.items():
        assert method in openapi.document()["paths"].get(path, {}), f"{method} {path}"
    assert {"post", "get"} <= set(
        openapi.document()["paths"]["/v1/segments"]
    ) and "delete" in openapi.document()["paths"]["/v1/segments/{key}"]


def test_it_is_openapi_3_1_with_an_enum_of_codes():
    assert openapi.document()["openapi"].startswith("3.1")
    ids = [
        operation["operationId"] for item in openapi.document()["paths"].values() for method,
        operation in item.items() if method in openapi.METHODS
    ]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere():
    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                openapi.follow(node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(openapi.document())
