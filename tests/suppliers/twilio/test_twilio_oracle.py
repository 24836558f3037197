"""Our reading of Twilio's rule against Twilio's SDK, which also signs."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from onceline.suppliers.base import Request
from onceline.suppliers.twilio.inlet import KIND
from tests.suppliers.oracles.asking import ask
from tests.suppliers.oracles.requesting import HOST, NAME, inlet_of, request, verdict

TOKEN = "0123456789abcdef0123456789abcdef"
PATH = f"/in/{NAME}"
SMS = {
    "To": "+447700900123",
    "MessageSid": "SM1",
    "From": "Ünïcode & Söhne",
    "Body": "Код 482913 = \n😀+%",
    "NumMedia": "0",
    "Empty": "",
}
INLET = inlet_of(KIND, {"auth_token": (TOKEN,)})


class Case:
    """What is signed, and what then arrives: a case changes one of them."""

    def __init__(self, **changes: Any) -> None:
        self.host = changes.get("host", HOST)
        self.signed_host = changes.get("signed_host", self.host)
        self.query = changes.get("query", "")
        self.signed_query = changes.get("signed_query", self.query)
        self.signed: Mapping[str, str] = changes.get("signed", SMS)
        self.sent: Mapping[str, str] = changes.get("sent", self.signed)
        self.secret = changes.get("secret", TOKEN)
        self.settings = changes.get("settings", "")
        self.drop_header = changes.get("drop_header", False)

    def signing(self) -> Mapping[str, Any]:
        url = _url(self.signed_host, self.signed_query)
        return {
            "do": "sign",
            "url": url,
            "parameters": _lists(self.signed),
            "secret": self.secret,
            "signature_settings": self.settings,
        }

    def checking(self, signature: str) -> Mapping[str, Any]:
        return {
            "do": "check",
            "url": _url(self.host, self.query),
            "parameters": _lists(self.sent),
            "secret": TOKEN,
            "signature": "" if self.drop_header else signature,
            "signature_settings": self.settings,
        }

    def arriving(self, signature: str) -> Request:
        headers = {} if self.drop_header else {"x-twilio-signature": signature}
        if self.settings:
            headers["x-twilio-webhooks-signature-settings"] = self.settings
        return request(self.sent, headers, query=self.query, host=self.host)


def _url(host: str, query: str) -> str:
    return f"{host}{PATH}?{query}" if query else f"{host}{PATH}"


def _lists(fields: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in fields.items()}


SHARED = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
CASES = {
    "good": (Case(), True),
    "one octet changed": (Case(sent=SMS | {"Body": SMS["Body"].replace("3", "4")}), False),
    "an empty field added": (Case(sent=SMS | {"Zone": ""}), False),
    "a field with a value added": (Case(sent=SMS | {"Zone": "1"}), False),
    "a field left out": (Case(sent={name: SMS[name] for name in SMS if name != "From"}), False),
    "fields in another order": (Case(sent=dict(reversed(SMS.items()))), True),
    "no header": (Case(drop_header=True), False),
    "another host": (Case(signed_host="https://other.example.com"), False),
    "http for https": (Case(signed_host=HOST.replace("https", "http")), False),
    "another secret": (Case(secret="f" * 32), False),
    "the default port signed": (Case(signed_host=f"{HOST}:443"), True),
    "the default port configured": (Case(host=f"{HOST}:443", signed_host=HOST), True),
    "a port of its own": (Case(host=f"{HOST}:8443"), True),
    "another port": (Case(host=f"{HOST}:8443", signed_host=f"{HOST}:8444"), False),
    "a query kept": (Case(query="a=1&b=%C3%BC+x&c="), True),
    "a query lost": (Case(query="", signed_query="a=1"), False),
    "a query in another order": (Case(query="a=1&b=2", signed_query="b=2&a=1"), False),
    "letters beyond ASCII in the query": (Case(query="a=ü😀"), True),
    "a shared key": (Case(settings=SHARED), True),
    "a shared key, one octet changed": (Case(settings=SHARED, sent=SMS | {"To": "+447700900124"}), False),
}


def test_we_and_the_sdk_say_the_same_of_every_case() -> None:
    cases = [case for case, _ in CASES.values()]
    signatures = ask("twilio", [case.signing() for case in cases])
    theirs = ask("twilio", [case.checking(one) for case, one in zip(cases, signatures, strict=True)])
    ours = [
        verdict(INLET, case.arriving(one)) == "accepted" for case, one in zip(cases, signatures, strict=True)
    ]
    wanted = {name: right for name, (_, right) in CASES.items()}
    assert dict(zip(CASES, theirs, strict=True)) == wanted
    assert dict(zip(CASES, ours, strict=True)) == wanted


def test_we_and_the_sdk_say_the_same_of_a_json_body() -> None:
    body = '{"MessageSid": "SM1", "To": "+447700900123", "Body": "Код 482913"}'
    query = urlencode({"bodySHA256": sha256(body.encode()).hexdigest()})
    url = _url(HOST, query)
    [signature] = ask("twilio", [{"do": "sign", "url": url, "secret": TOKEN}])
    bodies = [body, body.replace("482913", "482914")]
    theirs = ask(
        "twilio",
        [{"do": "check", "url": url, "secret": TOKEN, "signature": signature, "body": one} for one in bodies],
    )
    headers = {"content-type": "application/json", "x-twilio-signature": signature}
    ours = [verdict(INLET, request(one, headers, query=query)) for one in bodies]
    assert (theirs, ours) == ([True, False], ["accepted", "wrong"])


@pytest.mark.parametrize("pair", [("a", "bc"), ("ab", "c")])
def test_the_rule_itself_does_not_tell_a_name_from_its_value(pair: tuple[str, str]) -> None:
    """Why no field that we read may be made of another: the names that we read are Twilio's, and whole."""
    name, value = pair
    [signature] = ask(
        "twilio", [{"do": "sign", "url": _url(HOST, ""), "parameters": {"a": ["bc"]}, "secret": TOKEN}]
    )
    case = Case(sent={name: value})
    assert ask("twilio", [case.checking(signature)]) == [True]
