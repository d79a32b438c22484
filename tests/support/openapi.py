"""Holds every answer a test gets against openapi.yaml: path, method, status, content type, required headers and schema."""
import functools
import json
import re

import jsonschema
import yaml

from support.postgres import ROOT

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


class Undocumented(AssertionError):
    """The server answered what openapi.yaml does not say."""


@functools.lru_cache(maxsize=None)
def document():
    with open(ROOT / "openapi.yaml", encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@functools.lru_cache(maxsize=None)
def paths():
    """(compiled path, template), the literal ones first."""
    made = []
    for template in document()["paths"]:
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", template))
        made.append((re.compile(pattern + "/?"), template))
    return sorted(made, key=lambda item: item[1].count("{"))


def follow(node):
    """The node behind a $ref."""
    while "$ref" in node:
        target = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def item_of(target):
    """The path item that answers a request target, or None."""
    path = target.split("?")[0]
    for pattern, template in paths():
        if pattern.fullmatch(path):
            return document()["paths"][template]
    return None


def check(method, target, status, headers, body):
    """Raises Undocumented when the answer is none that openapi.yaml allows for the request."""
    item = item_of(target)
    if item is None:
        if status not in (400, 404, 405, 414):
            raise Undocumented(f"{method} {target}: no such path in openapi.yaml, answered {status}")
        return
    operation = item.get(method.lower()) or (item.get("get") if method == "HEAD" else None)
    if operation is None:
        if status != 405 and not (method == "OPTIONS" and status in (200, 204)):
            raise Undocumented(f"{method} {target}: no such method in openapi.yaml, answered {status}")
        return
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get(f"{status // 100}XX") or responses.get("default")
    if response is None:
        raise Undocumented(f"{method} {target}: status {status} is not documented (there are {', '.join(responses)})")
    response = follow(response)
    for name, header in response.get("headers", {}).items():
        if follow(header).get("required") and name.lower() not in headers:
            raise Undocumented(f"{method} {target}: {status} without the required header {name}")
    check_content(f"{method} {target}: {status}", response.get("content", {}), headers, body if method != "HEAD" else None)


def check_content(where, content, headers, body):
    if not content:
        if body:
            raise Undocumented(f"{where}: has a body, none is documented")
        return
    kind = headers.get("content-type", "").split(";")[0].strip()
    if kind not in content:
        raise Undocumented(f"{where}: content type {kind!r} is not documented (there are {', '.join(content)})")
    schema = content[kind].get("schema")
    if body is None or schema is None or not (kind == "application/json" or kind.endswith("+json")):
        return
    resolver = jsonschema.RefResolver("", document())
    validator = jsonschema.Draft202012Validator(schema, resolver=resolver, format_checker=jsonschema.FormatChecker())
    for error in validator.iter_errors(json.loads(body)):
        spot = "/".join(str(part) for part in error.absolute_path)
        raise Undocumented(f"{where}: body at /{spot}: {error.message[:300]}")
