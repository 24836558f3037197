"""`python -m onceline.agent`: the same as `onceline agent`, without loading the rest. What gammu-smsd and smstools3 run."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> int:
    """Hooks have no options, so they need no parser of options, which is most of what would be loaded."""
    from onceline.agent import commands  # noqa: PLC0415 - after the descriptors are there

    match arguments:
        case ["gammu", *stored]:
            return commands.gammu(stored, os.environ)
        case ["smstools", event, file, *_]:
            return commands.smstools(event, file)
    from onceline.agent.cli import app  # noqa: PLC0415 - as above

    app(arguments, prog_name="onceline agent")
    return 0


def open_descriptors() -> None:
    """gammu-smsd closes 0, 1 and 2; a file of ours must not get one of them, and be written into by mistake."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)


if __name__ == "__main__":
    open_descriptors()
    sys.exit(main(sys.argv[1:]))
