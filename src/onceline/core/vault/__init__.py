"""Sealed at rest: message text, codes and secrets, each under a key that lives outside the database.

Destroying a key erases what it sealed everywhere at once, in backups and in pages that DELETE left behind too.
"""

from onceline.core.vault.keystore import FileKeyStore, KeyStore
from onceline.core.vault.master import KeyStoreRefused
from onceline.core.vault.postgres import PostgresKeyStore
from onceline.core.vault.vault import Place, Vault, account_key, intake_key

__all__ = [
    "FileKeyStore",
    "KeyStore",
    "KeyStoreRefused",
    "Place",
    "PostgresKeyStore",
    "Vault",
    "account_key",
    "intake_key",
]
