"""Onceline leases phone numbers and delivers the one-time codes they receive."""
