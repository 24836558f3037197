"""Our reading of Vonage's rules against Vonage's SDK, which also signs; where it differs is said by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from onceline.suppliers.vonage import messages, sms
from tests.suppliers.oracles.asking import ask
from tests.suppliers.oracles.requesting import inlet_of, request, verdict
from tests.suppliers.vonage.test_vonage import signature

SECRET = "sIgNaTuReSeCrEt0123456789"
NOW = datetime.now(UTC)
AT = int(NOW.timestamp())
SMS = {
    "msisdn": "447700900001",
    "to": "447700900123",
    "messageId": "0B01",
    "text": "Код 482913 & a=b\n😀",
    "type": "unicode",
    "empty": "",
    "timestamp": str(AT),
    "nonce": "n1",
}
METHODS = ("md5", "sha1", "sha256", "sha512")


def by_sdk(parameters: Mapping[str, str], method: str = "sha256", secret: str = SECRET) -> str:
    [made] = ask("vonage", [{"do": "sign", "parameters": parameters, "method": method, "secret": secret}])
    return str(made)


def theirs(parameters: Mapping[str, str], method: str = "sha256") -> bool:
    [said] = ask("vonage", [{"do": "check", "parameters": parameters, "method": method, "secret": SECRET}])
    return bool(said)


def ours(parameters: Mapping[str, str], method: str = "hmac-sha256") -> str:
    inlet = inlet_of(sms.KIND, {"signature_secret": (SECRET,)}, signature=method)
    shapes = [
        request(parameters, at=NOW),
        request(method="GET", query=urlencode(parameters), at=NOW),
        request(json.dumps(parameters), {"content-type": "application/json"}, at=NOW),
    ]
    [said] = {verdict(inlet, asked) for asked in shapes}
    return said


@pytest.mark.parametrize("method", METHODS)
def test_what_the_sdk_signs_is_accepted(method: str) -> None:
    made = by_sdk(SMS, method)
    assert made == signature(SMS, f"hmac-{method}", SECRET)
    assert ours({**SMS, "sig": made}, f"hmac-{method}") == "accepted"


def test_we_and_the_sdk_say_the_same_of_every_case() -> None:
    made = {**SMS, "sig": signature(SMS, secret=SECRET)}
    cases = {
        "good": (made, True),
        "one octet changed": ({**made, "text": made["text"].replace("3", "4")}, False),
        "a parameter added": ({**made, "more": ""}, False),
        "a parameter left out": ({name: made[name] for name in made if name != "nonce"}, False),
        "parameters in another order": (dict(reversed(made.items())), True),
        "no signature": (SMS, False),
        "another time stamp": ({**made, "timestamp": str(AT - 1)}, False),
        "another secret": ({**SMS, "sig": signature(SMS, secret="another")}, False),
        "another function": ({**SMS, "sig": signature(SMS, "hmac-sha1", SECRET)}, False),
        "in capitals": ({**made, "sig": made["sig"].upper()}, True),
    }
    said = ask(
        "vonage",
        [
            {"do": "check", "parameters": parameters, "method": "sha256", "secret": SECRET}
            for parameters, _ in cases.values()
        ],
    )
    wanted = {name: right for name, (_, right) in cases.items()}
    assert dict(zip(cases, said, strict=True)) == wanted
    assert {name: ours(parameters) == "accepted" for name, (parameters, _) in cases.items()} == wanted


def test_the_sdk_does_not_look_at_the_age_of_a_message_and_we_do() -> None:
    old = {**SMS, "timestamp": str(AT - 86_400)}
    old["sig"] = signature(old, secret=SECRET)
    assert (theirs(old), ours(old)) == (True, "stale")


def test_the_sdk_does_not_know_the_accounts_default_function_and_we_do() -> None:
    plain = {**SMS, "sig": signature(SMS, "md5-hash", SECRET)}
    assert (theirs(plain, "md5"), ours(plain, "md5-hash")) == (False, "accepted")


# Messages API ----------------------------------------------------------------------------------------------------------

BODY = json.dumps({"channel": "sms", "message_uuid": "u1", "to": "447700900123", "text": "482913"}).encode()
CLAIMS = {"iat": AT - 2, "iss": "Vonage", "payload_hash": sha256(BODY).hexdigest(), "api_key": "abcd"}


def tokens(*signing: tuple[Mapping[str, Any], str, str]) -> list[str]:
    """Made by the library that the SDK itself uses."""
    asked = [
        {"do": "sign-token", "claims": claims, "secret": secret, "algorithm": algorithm}
        for claims, secret, algorithm in signing
    ]
    return ask("vonage", asked)


def of_tokens(made: list[str], body: bytes = BODY, at: datetime = NOW) -> tuple[list[Any], list[str]]:
    """What the SDK says of each, and what we say of a request with it."""
    said = ask("vonage", [{"do": "check-token", "token": one, "secret": SECRET} for one in made])
    inlet = inlet_of(messages.KIND, {"signature_secret": (SECRET,)})
    asked = [request(body, {"authorization": f"Bearer {one}"}, at=at) for one in made]
    return said, [verdict(inlet, one) for one in asked]


def test_we_and_the_sdk_say_the_same_of_tokens() -> None:
    [good, stranger] = tokens((CLAIMS, SECRET, "HS256"), (CLAIMS, "another", "HS256"))
    head, claims, signed = good.split(".")
    forged = f"{head}.{claims[:-2]}{'AA' if not claims.endswith('AA') else 'BB'}.{signed}"
    said = of_tokens([good, stranger, forged, "x"])
    assert said == ([True, False, False, "VonageVerifyJwtError"], ["accepted", "wrong", "wrong", "wrong"])


def test_another_function_is_refused_by_both() -> None:
    [made] = tokens((CLAIMS, SECRET, "HS512"))
    assert of_tokens([made]) == (["VonageVerifyJwtError"], ["wrong"])


def test_an_ended_token_is_refused_by_both() -> None:
    [made] = tokens((CLAIMS | {"exp": AT - 100}, SECRET, "HS256"))
    assert of_tokens([made]) == (["VonageVerifyJwtError"], ["stale"])


def test_the_sdk_does_not_look_at_the_age_of_a_token_and_we_do() -> None:
    [made] = tokens((CLAIMS | {"iat": AT - 86_400}, SECRET, "HS256"))
    assert of_tokens([made]) == ([True], ["stale"])


def test_the_sdk_does_not_look_at_the_body_of_a_token_and_we_do() -> None:
    [made, bare] = tokens((CLAIMS, SECRET, "HS256"), ({"iat": AT}, SECRET, "HS256"))
    assert of_tokens([made, bare], BODY.replace(b"482913", b"482914")) == ([True, True], ["wrong", "missing"])


def test_the_sdk_bears_no_clock_that_is_ahead_and_we_bear_five_minutes() -> None:
    now = datetime.now(UTC)  # the SDK reads the machine's clock, maybe long after this file was read
    [made] = tokens((CLAIMS | {"iat": int(now.timestamp()) + 120}, SECRET, "HS256"))
    assert of_tokens([made], at=now) == (["VonageVerifyJwtError"], ["accepted"])
