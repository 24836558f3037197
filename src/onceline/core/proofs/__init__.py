"""The invariants that a live installation can show of itself, each with its figure."""
