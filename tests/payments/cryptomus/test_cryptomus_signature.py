"""Cryptomus's signature: in which forms it is known, and what is refused."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onceline.payments.base import NotAuthentic, Unreadable
from onceline.payments.cryptomus.signature import MOST_BYTES, sign, signed_fields
from tests.payments.cryptomus.signing import KEY, PAID, UUID, arrived, md5_of, text
from tests.payments.oracles.asking import ask

SIGN_LIKE = {
    "additional_data": '","sign":"0123456789abcdef0123456789abcdef"',
    "note": '"sign":"' + "f" * 32 + '"',
}
NESTED = {"convert": {"to_currency": "USDT", "sign": "0" * 32, "rate": "1"}}


def verdict(body: bytes, key: str = KEY) -> str:
    try:
        signed_fields(body, key)
    except NotAuthentic as refused:
        return refused.reason
    except Unreadable:
        return "unreadable"
    return "accepted"


def test_what_was_signed_is_read_without_the_signature() -> None:
    assert signed_fields(arrived(PAID), KEY) == PAID


@pytest.mark.parametrize(
    "extra",
    [
        {"url": "https://a.example/b/"},
        {"name": "Zoë Привет 你好 😀"},
        SIGN_LIKE,
        {"text": 'back\\slash "quotes" \n\t'},
        NESTED,
        {"figure": 12, "share": 0.5, "none": None, "list": [1, "a/b"]},
    ],
    ids=["slashes", "letters", "sign-like", "escapes", "nested", "kinds"],
)
@pytest.mark.attack(30)
def test_every_form_of_value_is_known(extra: dict[str, Any]) -> None:
    fields = {**PAID, **extra}
    signature = md5_of(text(fields))
    first, middle = {"sign": signature, **fields}, {"type": "payment", "sign": signature, **fields}
    assert signed_fields(arrived(fields), KEY) == fields
    assert signed_fields(text(first), KEY) == fields
    assert signed_fields(text(middle), KEY) == fields


def test_a_body_that_was_written_anew_on_its_way_is_known_by_phps_form() -> None:
    fields = {**PAID, "name": "Zoë/你好", "line": "a\u2028b"}
    signed = text(fields).replace("\u2028".encode(), rb"\u2028")
    whole = {**fields, "sign": md5_of(signed)}
    forms = [json.dumps(whole), json.dumps(whole, ensure_ascii=False), json.dumps(whole, indent=2)]
    assert [signed_fields(one.encode(), KEY) for one in forms] == [fields] * 3


def test_what_no_other_writer_would_write_so_is_known_by_its_bytes() -> None:
    signed = text(PAID)[:-1] + ',"line":"a\u2028b","rate":10.50,"share":1e3}'.encode()
    body = signed[:-1] + f',"sign":"{md5_of(signed)}"}}'.encode()
    assert signed_fields(body, KEY)["uuid"] == UUID


@pytest.mark.parametrize("name", sorted(PAID))
@pytest.mark.attack(30)
def test_one_changed_field_is_refused(name: str) -> None:
    body = json.loads(arrived({**PAID, "additional_data": "x"}))
    assert verdict(text({**body, name: "9999.00"})) == "wrong"
    assert verdict(text({one: value for one, value in body.items() if one != name})) == "wrong"


def test_another_key_is_refused() -> None:
    assert verdict(arrived(PAID, "another")) == "wrong"
    assert verdict(arrived(PAID), "") == "wrong"


@pytest.mark.parametrize("signature", [None, "", 5, ["0" * 32]])
def test_a_body_without_a_signature_is_refused(signature: object) -> None:
    assert verdict(text({**PAID, "sign": signature})) == "missing"
    assert verdict(text(PAID)) == "missing"


@pytest.mark.parametrize(
    "signature", ["0" * 32, "ключ", "f" * 31, md5_of(text(PAID)).upper(), " " + md5_of(text(PAID))]
)
def test_a_wrong_signature_is_refused(signature: str) -> None:
    assert verdict(text({**PAID, "sign": signature})) == "wrong"


def test_fields_put_around_the_signature_are_refused() -> None:
    body = arrived(PAID)
    assert verdict(body[:-1] + b',"amount":"9999.00"}') == "wrong"
    assert verdict(b'{"amount":"9999.00",' + body[1:]) == "wrong"


def test_of_two_signatures_what_is_read_is_what_was_signed() -> None:
    """A second one in a nested object moves nothing that counts."""
    signature = md5_of(text(PAID))
    crowded = text({"sign": signature, **PAID})[:-1] + b',"sign":"' + signature.encode() + b'"}'
    assert verdict(crowded) == "accepted"
    assert signed_fields(crowded, KEY)["uuid"] == UUID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b"null",
        b'"sign"',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b" " * (MOST_BYTES + 1),
    ],
)
def test_what_is_no_object_makes_no_sense(body: bytes) -> None:
    assert verdict(body) == "unreadable"


def test_a_body_as_deep_as_python_goes_breaks_nothing() -> None:
    for depth in (500, 900, 990, 1100, 5000):
        nested = b'{"sign":"' + b"0" * 32 + b'","a":' + b"[" * depth + b"]" * depth + b"}"
        assert verdict(nested) in ("wrong", "unreadable")


def test_the_bytes_that_are_sent_are_signed() -> None:
    assert sign(b'{"a": 1}', KEY) == md5_of(b'{"a": 1}')
    assert sign(b"", KEY) == md5(KEY.encode()).hexdigest()


# Against a client that others wrote ------------------------------------------------------------------------------------

LETTERS = st.text(st.characters(codec="utf-8", exclude_characters="\u2028\u2029"), max_size=30)
TEXTS = LETTERS | st.sampled_from(
    ['"sign":"' + "a" * 32 + '"', "\\/", "/", "\\", '"', "sign", ',"sign":"', "\x00", "😀"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(TEXTS.filter(lambda name: name not in ("sign", "type")), VALUES, max_size=6).map(
    lambda fields: {"type": "payment", **fields}
)


@pytest.mark.attack(30)
def test_we_and_the_other_client_say_the_same_of_every_form() -> None:
    crowd = [PAID, {**PAID, **SIGN_LIKE}, {**PAID, **NESTED}, {**PAID, "name": "Zoë/你好 😀"}]
    good = [arrived(fields) for fields in crowd]
    bad = [body.replace(b'"amount":"10.00"', b'"amount":"10.01"') for body in good]
    ours = [verdict(body) == "accepted" for body in good + bad]
    assert _theirs(good + bad) == ours == [True] * 4 + [False] * 4


@settings(max_examples=12, deadline=None)
@given(st.lists(FIELDS, min_size=20, max_size=20))
@pytest.mark.attack(30)
def test_we_accept_whatever_the_other_client_signs_and_it_accepts_what_we_do(
    crowd: list[dict[str, Any]],
) -> None:
    signs = ask("cryptomus", [{"do": "sign", "fields": fields, "key": KEY} for fields in crowd])
    pairs = list(zip(crowd, signs, strict=True))
    last = [text({**fields, "sign": signature}) for fields, signature in pairs]
    anew = [json.dumps({"sign": signature, **fields}).encode() for fields, signature in pairs]
    assert [verdict(body) for body in last + anew] == ["accepted"] * 40
    assert [signed_fields(body, KEY) for body in last + anew] == crowd * 2
    assert _theirs(last + anew) == [True] * 40


@given(FIELDS, st.data())
def test_no_changed_octet_comes_in(fields: dict[str, Any], data: st.DataObject) -> None:
    body = bytearray(arrived(fields))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    is_in = verdict(bytes(body)) == "accepted"
    assert not is_in or signed_fields(bytes(body), KEY) == fields  # the same words, written another way


@given(st.binary(max_size=200) | TEXTS.map(lambda one: text({"type": "payment", "sign": one})))
def test_nothing_unsigned_comes_in_and_nothing_breaks(body: bytes) -> None:
    with pytest.raises((NotAuthentic, Unreadable)):
        signed_fields(body, KEY)


def _theirs(bodies: list[bytes]) -> list[bool]:
    return ask("cryptomus", [{"do": "check", "body": body.decode(), "key": KEY} for body in bodies])
