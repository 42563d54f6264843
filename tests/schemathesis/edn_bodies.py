"""Lets Schemathesis send EDN. The examples of the document are EDN already."""

import json
import re

import schemathesis


def edn(value):
    if value is None:
        return "nil"
    if isinstance(value, dict):
        pairs = (f"{key(name)} {edn(item)}" for name, item in value.items())
        return "{" + " ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + " ".join(map(edn, value)) + "]"
    # EDN's strings have more escapes than JSON's, none of them needed.
    return json.dumps(value, ensure_ascii=False)


def key(name):
    return f":{name}" if re.fullmatch(r"[a-z][a-z0-9-]*", name) else edn(name)


@schemathesis.serializer("application/edn")
def serialize(ctx, value):
    text = value if isinstance(value, str) else edn(value)
    return text.encode("utf-8", "surrogatepass")
