"""`make bench`: every figure of docs/reference/performance.md, each as a ratio against a limit of the same run.

Name parts to run only them: make bench ARGS="allocation otp".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bench import allocation, costs, exports, history, ingest, messages, orders, otp, pages, smpp, sockets
from bench.rows import Row


def extraction() -> Iterator[Row]:
    """Code extraction on the message sets of the tests, against its gate."""
    for one in otp.run():
        note = f"{one.messages} messages, {one.wrong:.1%} wrong codes, weakest {one.weakest} {one.weakest_rate:.0%}"
        yield Row(f"codes right, {one.name}", one.recall, 0.97, True, "", note)
        yield Row(f"none where there is none, {one.name}", one.none, 0.90, True, "")
        yield Row(f"time a message, {one.name}", one.microseconds, 1000, False, "µs")
    worst = otp.worst()
    note = f"{worst.ratio:.0f} ordinary messages, {worst.motif!r} repeated"
    yield Row("worst hostile text of 10,000 characters", worst.milliseconds, 5, False, "ms", note)


PARTS = {
    "otp": extraction,
    "allocation": allocation.run,
    "history": history.run,
    "orders": orders.run,
    "messages": messages.run,
    "ingest": ingest.run,
    "smpp": smpp.run,
    "sockets": sockets.run,
    "exports": exports.run,
    "pages": pages.run,
    "costs": costs.run,
}


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - PARTS.keys()
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name, run in PARTS.items():
        if not wanted or name in wanted:
            for row in run():
                print(row.line(), flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
