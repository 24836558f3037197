"""Runs in the environment of Telnyx's SDK: JSON cases on standard input, its answers on standard output.

Its verifying module is loaded by itself: the rest of that package takes four seconds and ten others to import.
"""

import importlib.util
import json
import sys
from pathlib import Path


def load():
    [path] = Path(sys.prefix).rglob("telnyx/lib/webhook_verification.py")
    spec = importlib.util.spec_from_file_location("webhook_verification", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def say(telnyx, case):
    try:
        telnyx.verify_webhook_signature(bytes.fromhex(case["body"]), case["headers"], case["key"])
    except telnyx.WebhookVerificationError:
        return False
    return True


telnyx = load()
json.dump([say(telnyx, case) for case in json.load(sys.stdin)], sys.stdout)
