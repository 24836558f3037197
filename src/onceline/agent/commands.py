"""What the commands of the agent do, each with the exit code that it ends with. They print words for people.

A hook also tells the system's log, because gammu-smsd closes every descriptor of the programs that it runs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from onceline.agent import config as settings
from onceline.agent.config import Config, ConfigFault
from onceline.agent.message import E164, MOST_TEXT, Message, received
from onceline.agent.spool import NEW, REFUSED, UNMAPPED, NotKept, Spool
from onceline.core.clock import SystemClock, rfc3339

DONE, UNWELL, MISUSED, NOT_KEPT = 0, 1, 2, 3
MOST_ARGUMENT = 4 * MOST_TEXT + 4
"""Bytes of UTF-8, and some to see that there are too many."""

_CLOCK = SystemClock()


def put(*, to: str, sender: str, text: str, name: str, said_at: str, device: str) -> int:
    """A message by hand or by a script; `text` is "-" for standard input. One without id and time is always a new one."""
    if not E164.fullmatch(to):
        return _complain("--to has to be a number in E.164, such as +447700900123", MISUSED)
    if len(name) > 120 or not name.isascii() or not name.isprintable() or " " in name:
        return _complain("--id may have 120 printable ASCII characters at most, and no space", MISUSED)
    words = _stdin() if text == "-" else text
    if len(words) > MOST_TEXT:
        return _complain(f"a text may have {MOST_TEXT} characters at most", MISUSED)
    stamp = said_at or f"{rfc3339(_CLOCK.now())} {os.urandom(4).hex()}"
    message = received(device=device, to=to, sender=sender, text=words, said_at=stamp)
    return _keep(replace(message, id=name) if name else message)


def gammu(stored: Sequence[str], environ: Mapping[str, str]) -> int:
    """RunOnReceive of gammu-smsd; `stored` are the names that it appends."""
    from onceline.agent import gammu as source  # noqa: PLC0415 - a hook loads what it needs alone

    if source.loses_letters(environ):
        _complain(
            "gammu-smsd runs without a UTF-8 locale and turns letters into ?; start it with LANG=C.UTF-8", 0
        )
    try:
        config = settings.load(environ)
    except ConfigFault as fault:
        return _complain(str(fault), MISUSED)
    return _keep_found(source.read(environ, stored, config.numbers, rfc3339(_CLOCK.now())), config)


def smstools(event: str, file: str) -> int:
    """Event handler of smstools3; what is not RECEIVED is none of ours."""
    from onceline.agent import smstools as source  # noqa: PLC0415 - a hook loads what it needs alone

    if event != source.RECEIVED:
        return DONE
    try:
        config = settings.load(os.environ)
        with Path(file).open("rb") as opened:
            data = opened.read(source.MOST_BYTES)
    except ConfigFault as fault:
        return _complain(str(fault), MISUSED)
    except OSError as fault:
        return _complain(f"{file}: {fault.strerror or fault}", NOT_KEPT)
    return _keep_found(source.read(data, Path(file).name, config.numbers), config)


def run() -> int:
    """Post what is in the spool until SIGTERM."""
    from onceline.agent import serve  # noqa: PLC0415 - hooks shall not load an HTTP client

    try:
        return serve.run(_CLOCK)
    except (ConfigFault, NotKept) as fault:
        return _complain(str(fault), MISUSED)


def status(*, as_json: bool) -> int:
    """How the spool is; UNWELL when a person has to look."""
    try:
        config = settings.load(os.environ)
    except ConfigFault as fault:
        return _complain(str(fault), MISUSED)
    spool = Spool(config, _CLOCK)
    depths = {folder: spool.depth(folder) for folder in (NEW, UNMAPPED, REFUSED)}
    facts = {folder: {"count": one.count, "oldest_s": one.oldest_s} for folder, one in depths.items()}
    last = json.loads(spool.noted() or b"null")
    words = [
        f"{folder:9} {one.count} messages, the oldest {one.oldest_s} s old" for folder, one in depths.items()
    ]
    words.append(f"last post {last['outcome']} at {last['at']}" if last else "nothing was posted yet")
    full = spool.is_full()
    if full:
        words.append("the spool is FULL: new messages are refused")
    print(json.dumps({**facts, "full": full, "last": last}) if as_json else "\n".join(words))  # noqa: T201 - a command's answer
    well = (
        last
        and last["outcome"] == "taken"
        and not full
        and not depths[UNMAPPED].count + depths[REFUSED].count
    )
    return DONE if well else UNWELL


def _keep_found(message: Message | None, config: Config) -> int:
    if message is None:
        return _complain("a message without text was left out", DONE)
    if not message.to:
        _complain(f"no number is set for device {message.device!r}; its messages wait in unmapped/", DONE)
    return _keep_in(config, message)


def _keep(message: Message) -> int:
    try:
        return _keep_in(settings.load(os.environ), message)
    except ConfigFault as fault:
        return _complain(str(fault), MISUSED)


def _keep_in(config: Config, message: Message) -> int:
    try:
        Spool(config, _CLOCK).put(message)
    except NotKept as fault:
        return _complain(f"NOT KEPT: {fault}", NOT_KEPT)
    return DONE


def _stdin() -> str:
    return sys.stdin.buffer.read(MOST_ARGUMENT).decode("utf-8", "replace") if sys.stdin else ""


def _complain(words: str, code: int) -> int:
    import syslog  # noqa: PLC0415 - nearly always there is nothing to say

    if sys.stderr:
        print(f"onceline agent: {words}", file=sys.stderr)  # noqa: T201 - a command's answer
    syslog.openlog("onceline-agent")
    syslog.syslog(syslog.LOG_WARNING if code else syslog.LOG_NOTICE, words)
    return code
