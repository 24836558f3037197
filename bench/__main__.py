"""`make bench`: every figure of docs/reference/performance.md, each as a ratio against a limit of the same run.

Name parts to run only them: make bench ARGS="allocation otp".
"""

from __future__ import annotations

import sys

from bench import allocation, messages, orders

PARTS = {"allocation": allocation.run, "orders": orders.run, "messages": messages.run}


def main(wanted: list[str]) -> int:
    unknown = set(wanted) - PARTS.keys() - {"otp"}
    if unknown:
        print(
            f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)} and otp",
            file=sys.stderr,
        )
        return 2
    for name, run in PARTS.items():
        if not wanted or name in wanted:
            for row in run():
                print(row.line(), flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
