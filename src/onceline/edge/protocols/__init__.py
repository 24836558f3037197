"""Protocols of the field that this installation speaks beside its own API, each in one file."""
