"""Who appears in the tests: Alice, Bob her team mate, Charlie a stranger, Olga who runs the installation."""

ALICE, BOB, CHARLIE, OLGA = "Alice", "Bob", "Charlie", "Olga"
