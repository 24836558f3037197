"""Runs in the environment of Plivo's SDK: JSON cases on standard input, its answers on standard output."""

import json
import sys

from plivo.utils import validate_signature


def say(case):
    return validate_signature(case["url"], case["nonce"], case["signature"], case["secret"])


json.dump([say(case) for case in json.load(sys.stdin)], sys.stdout)
