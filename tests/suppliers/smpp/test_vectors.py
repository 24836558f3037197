"""Every way in which SMSCs write, from the octets on the wire to what the customer reads."""

from __future__ import annotations

from tests.suppliers.smpp.conftest import Mast
from tests.suppliers.smpp.vectors import VECTORS, addressed, sms


def test_every_vector_is_read_as_it_was_written(mast: Mast) -> None:
    owned = mast.own(2 * len(VECTORS))
    pairs = {vector.name: owned[2 * place : 2 * place + 2] for place, vector in enumerate(VECTORS)}
    sent = [
        addressed(pdu, pairs[vector.name], f"{vector.name} {place}")
        for vector in VECTORS
        for place, pdu in enumerate(vector.pdus)
    ]
    with mast.bound():
        mast.smsc.queue(sent)
        mast.smsc.wait("drained")
        for vector in VECTORS:
            for number, texts in zip(pairs[vector.name], vector.texts, strict=False):
                mast.await_texts(number, *texts)
    assert mast.fact("unreadable") == 0


def test_the_sender_is_shown_as_it_came(mast: Mast) -> None:
    one, other = mast.own(2)
    with mast.bound():
        named = sms(b"Your code is 1234", sender="Café".encode("latin-1"))
        mast.smsc.queue(
            [addressed(named, [one], "a"), addressed(sms(b"1234", sender=b"72333"), [other], "b")]
        )
        mast.smsc.wait("drained")
        mast.await_texts(one, "Your code is 1234")
        mast.await_texts(other, "1234")
    assert mast.shown(one)[0]["sender"] == "Café"
    assert mast.shown(other)[0]["sender"] == "72333"
