"""Orders: one number held by one account for a window, its messages, and the money that waits for its first code."""
