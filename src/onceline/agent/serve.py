"""Runs the sender until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from urllib.parse import urlsplit

import structlog

from onceline.agent import config as settings
from onceline.agent.config import Config
from onceline.agent.sender import Sender
from onceline.agent.spool import Spool
from onceline.core.clock import Clock
from onceline.outbound import ConfiguredDoor

_ENDS = (signal.SIGTERM, signal.SIGINT)
_LOOK_S = 1.0
_STOP_S = 20.0
"""A request that is under way may take as long as outbound lets it."""


def run(clock: Clock) -> int:
    """Raises ConfigFault, and NotKept when the spool cannot be used."""
    _configure_logs()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    config = read_config()
    spool = Spool(config, clock)
    with spool.owned():
        return _run(Sender(read_config, open_door, spool, clock))


def _run(sender: Sender) -> int:
    """In a thread of its own, because a handler that sets an event which its own thread waits for can hang for ever."""
    stopping = threading.Event()
    thread = threading.Thread(target=sender.run, args=(stopping,), daemon=True)
    thread.start()
    while thread.is_alive() and not signal.sigtimedwait(_ENDS, _LOOK_S):
        pass
    asked = thread.is_alive()
    stopping.set()
    thread.join(_STOP_S)
    return 0 if asked else 1


def read_config() -> Config:
    """All that posting needs. Raises ConfigFault."""
    config = settings.load(os.environ)
    settings.demand_way(config)
    return config


def open_door(config: Config) -> ConfiguredDoor:
    """To the one host of the address."""
    return ConfiguredDoor([urlsplit(config.url).hostname or ""], ca_file=config.ca_file)


def _configure_logs() -> None:
    """One line of JSON per event on stderr, as every other door of the house writes it."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
