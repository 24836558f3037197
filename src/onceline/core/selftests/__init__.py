"""Scheduled SMS between two numbers of our own, which find SIMs that died silently."""
