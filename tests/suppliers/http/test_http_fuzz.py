"""Whatever is sent to the signed inlet, it is read, or refused by one of two errors."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onceline.suppliers.base import (
    Arrival,
    Configured,
    Heartbeat,
    NotAuthentic,
    Request,
    Unreadable,
)
from onceline.suppliers.http.inlet import HttpSettings, SignedInlet

KEY = "a-signing-key-of-thirty-characters"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
INLET = SignedInlet(Configured("rack-1", HttpSettings(), {"signing_key": (KEY,)}))

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
text = st.text(st.characters(codec=None), max_size=80)
part = st.fixed_dictionaries(
    {"reference": st.integers(-1, 300), "index": st.integers(-1, 4), "total": st.integers(-1, 4)}
)
nearly_message = st.fixed_dictionaries(
    {"id": st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True) | text, "to": st.just("+447700900123"), "from": text, "text": text},
    optional={"device": text, "received_at": text, "part": part, "waited_s": st.integers(-1, 9000), "more": anything},
)  # fmt: skip
nearly_beat = st.fixed_dictionaries(
    {"device": st.just("m")},
    optional={"facts": st.dictionaries(text, anything, max_size=4), "warning": text},
)
nearly_body = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(nearly_message | anything, max_size=4),
        "heartbeats": st.lists(nearly_beat | anything, max_size=3),
    },
)


def signed(body: bytes) -> Request:
    signature = hmac.new(KEY.encode(), f"{STAMP}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-onceline-timestamp": STAMP, "x-onceline-signature": f"v1={signature}"}
    return Request("POST", "", "", headers, body, None, AT)


def readable(found: Any) -> list[Arrival | Heartbeat] | None:
    """None for what is refused; every other error is a fault."""
    try:
        return list(INLET.read(signed(json.dumps(found).encode())))
    except Unreadable:
        return None


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
@example(b"[" * 100_000)
@example(b'{"a":' * 20_000)
@example(b'"\\ud800"')
def test_any_signed_bytes_are_read_or_unreadable(body: bytes) -> None:
    try:
        found = INLET.read(signed(body))
    except Unreadable:
        found = []
    assert isinstance(found, list)


@given(st.text(max_size=40), st.text(max_size=200), st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_unsigned_request_is_not_authentic(timestamp: str, signature: str, body: bytes) -> None:
    headers = {"x-onceline-timestamp": timestamp, "x-onceline-signature": signature}
    with pytest.raises(NotAuthentic) as refused:
        INLET.read(Request("POST", "", "", headers, body, None, AT))
    assert refused.value.reason in ("missing", "wrong")


@given(nearly_body | nearly_message | anything)
@settings(max_examples=600, deadline=None)
def test_what_nearly_has_the_shape_is_read_or_unreadable(found: Any) -> None:
    for one in readable(found) or []:
        assert isinstance(one, Arrival | Heartbeat)
        assert len(one.device) <= 64
        assert one.device.isprintable()
        if isinstance(one, Arrival):
            assert one.message_id.isascii()
            assert one.part is None or 1 <= one.part.index <= one.part.total <= 255
        else:
            json.dumps(dict(one.facts)).encode()
            assert not any("\0" in str(value) for value in one.facts.values())


@given(text, text)
@settings(max_examples=200, deadline=None)
def test_text_and_sender_come_through_unchanged(words: str, sender: str) -> None:
    found = readable({"id": "a", "to": "447700900123", "from": sender, "text": words})
    assert found == [Arrival("a", "447700900123", sender, words)]
