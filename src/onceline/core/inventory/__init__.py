"""Our numbers: where they came from, whether they are free, and for which services they are burnt.

A number sits at a fixed slot of a chunk of up to 1,024; what it must not be sold for again is a bit per chunk and
service, so neither a row per (number, service) nor a search through history is needed. Picking is in the schema
(`take_number`), because it is part of placing an order in one call.
"""
