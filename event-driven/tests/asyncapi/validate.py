"""Validates an AsyncAPI document: python validate.py SCHEMA DOCUMENT. Says what is wrong, each where it is."""

import json
import sys

from jsonschema import Draft7Validator

schema, document = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:])
Draft7Validator.check_schema(schema)


def tell(error, depth=0):
    print("  " * depth + "/".join(str(part) for part in error.absolute_path) + ": " + error.message[:300])
    for cause in error.context:
        tell(cause, depth + 1)


errors = list(Draft7Validator(schema).iter_errors(document))
for error in errors:
    tell(error)
# AsyncAPI's schema leaves the payloads to draft 7.
for name, payload in document["components"]["schemas"].items():
    Draft7Validator.check_schema(payload)
sys.exit(1 if errors else 0)
