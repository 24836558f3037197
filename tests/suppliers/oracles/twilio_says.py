"""Runs in the environment of Twilio's SDK: JSON cases on standard input, its answers on standard output."""

import json
import sys

from twilio.request_validator import RequestValidator, get_signature_algorithm


class Parameters(dict):
    """As a web framework hands them over."""

    def getlist(self, name):
        return self[name]


def say(case):
    validator = RequestValidator(case["secret"])
    parameters = case.get("body") or Parameters(case.get("parameters") or {})
    algorithm = get_signature_algorithm(case.get("signature_settings"))
    if case["do"] == "sign":
        return validator.compute_signature(case["url"], Parameters(case.get("parameters") or {}), algorithm)
    return validator.validate(case["url"], parameters, case["signature"], algorithm)


json.dump([say(case) for case in json.load(sys.stdin)], sys.stdout)
