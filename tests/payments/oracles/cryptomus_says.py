"""Runs in the environment of pyCryptomusAPI: JSON cases on standard input, its answers on standard output."""

import base64
import json
import sys
from hashlib import md5

from pyCryptomusAPI import pyCryptomusAPI
from pyCryptomusAPI.api import pyCryptomusAPIException
from pyCryptomusAPI.webhooks import (
    WebhookVerificationError,
    _json_dumps,
    _process_webhook,
    process_payment_webhook,
)

CALLS = {
    "create": "create_invoice",
    "info": "payment_information",
    "list": "payment_history",
    "refund": "refund",
}


class Anything:
    """Its own class makes attributes of all fields, whatever their names."""

    de_json = staticmethod(dict)


def check(body, key):
    """The signature alone."""
    return _process_webhook(body, key, ("payment",), Anything)


READERS = {"check": check, "read": process_payment_webhook}


def say(case):
    if case["do"] == "text":  # what is signed of a callback, as it writes that
        return _json_dumps(case["fields"])
    if case["do"] == "sign":
        text = _json_dumps(case["fields"])
        return md5(base64.b64encode(text.encode()) + case["key"].encode()).hexdigest()
    if case["do"] in ("check", "read"):
        try:
            READERS[case["do"]](case["body"], case["key"])
        except WebhookVerificationError:
            return False
        return True
    client = pyCryptomusAPI(case["merchant"], case["key"], api_url=case["url"], timeout=20)
    try:
        found = getattr(client, CALLS[case["do"]])(**case["with"])
    except pyCryptomusAPIException as refused:
        return {"refused": str(refused.message)}
    return vars(found) if hasattr(found, "uuid") else found if isinstance(found, list) else len(found.items)


json.dump([say(case) for case in json.load(sys.stdin)], sys.stdout)
