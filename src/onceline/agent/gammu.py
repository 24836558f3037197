"""What gammu-smsd tells the program of RunOnReceive: the environment describes one whole message. Pure.

Source: gammu-smsd-run(7) of 1.42, and of upstream's master for SMS_1_TIMESTAMP. SMS_n_… are the parts as they came, DECODED_n_TEXT
what they say together; a message of one part, or one whose parts did not all come, has only the former. Arguments are what the
backend calls the stored parts; those of FILES begin with the time of the message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from onceline.agent.message import Message, received

MOST_PARTS = 255
_COUNT = re.compile(r"[0-9]{1,3}", re.ASCII)
_FILE = re.compile(r"(?:.*/)?IN([0-9]{8}_[0-9]{6})_", re.ASCII)
_UTF8 = re.compile(r"utf-?8", re.IGNORECASE)


def read(
    environ: Mapping[str, str], stored: Sequence[str], numbers: Mapping[str, str], now: str
) -> Message | None:
    """None for what holds no text (settings of an operator, a picture). `now` where nothing says when it came."""
    text = _text(environ)
    if not text:
        return None
    device = environ.get("PHONE_ID", "")
    return received(
        device=device,
        to=numbers.get(device, ""),
        sender=environ.get("SMS_1_NUMBER", ""),
        text=text,
        said_at=_said_at(environ, stored) or now,
    )


def loses_letters(environ: Mapping[str, str]) -> bool:
    """Whether gammu-smsd was started in a locale whose texts have ? for whatever is not ASCII."""
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environ.get(name))), "C")
    return not _UTF8.search(locale)


def _text(environ: Mapping[str, str]) -> str:
    decoded = _joined(environ, "DECODED_{}_TEXT", _count(environ, "DECODED_PARTS"))
    return decoded or _joined(environ, "SMS_{}_TEXT", _count(environ, "SMS_MESSAGES"))


def _joined(environ: Mapping[str, str], name: str, count: int) -> str:
    return "".join(environ.get(name.format(at), "") for at in range(1, count + 1))


def _count(environ: Mapping[str, str], name: str) -> int:
    value = environ.get(name, "")
    return min(int(value), MOST_PARTS) if _COUNT.fullmatch(value) else 0


def _said_at(environ: Mapping[str, str], stored: Sequence[str]) -> str:
    if stamp := environ.get("SMS_1_TIMESTAMP", ""):
        return stamp
    named = _FILE.match(stored[0]) if stored else None
    return named[1] if named else ""
