"""Runs in the environment of Vonage's SDK: JSON cases on standard input, its answers on standard output."""

import json
import sys

import jwt
from vonage_http_client.auth import Auth
from vonage_jwt import verify_signature


def say(case):
    if case["do"] == "check-token":
        try:
            return verify_signature(case["token"], case["secret"])
        except Exception as refused:  # its own error type hides which
            return type(refused).__name__
    if case["do"] == "sign-token":
        return jwt.encode(case["claims"], case["secret"], algorithm=case["algorithm"])
    auth = Auth(api_key="key", signature_secret=case["secret"], signature_method=case["method"])
    if case["do"] == "sign":
        return auth.sign_params(dict(case["parameters"]))
    return auth.check_signature(dict(case["parameters"]))


json.dump([say(case) for case in json.load(sys.stdin)], sys.stdout)
