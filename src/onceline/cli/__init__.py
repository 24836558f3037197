"""The command line: what an operator does by hand. `run` is the console script."""

from onceline.cli.main import app, run

__all__ = ["app", "run"]
