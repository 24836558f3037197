"""`python -m onceline`: the same as the command `onceline`."""

from onceline.cli import run

run()
