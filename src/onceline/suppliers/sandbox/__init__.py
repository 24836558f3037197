"""The supplier of test mode: fictional numbers, no network, no real message."""
