"""Django's PostgreSQL backend, connecting wherever the house stands, to the desk's own tables alone.

The search path names only the schema `desk`: what belongs to core is out of the ORM's reach.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base
from psycopg.conninfo import conninfo_to_dict

from onceline.desk.house import house

SCHEMA = "desk"
_OPTIONS = (
    f"-c search_path={SCHEMA} -c lock_timeout=2000 -c statement_timeout=10000"
    " -c idle_in_transaction_session_timeout=20000"
)


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        theirs = super().get_connection_params()
        ours = conninfo_to_dict(house().db.conninfo)
        return {
            **theirs,
            **ours,
            "application_name": "onceline-desk",
            "connect_timeout": 3,
            "options": _OPTIONS,
        }
