"""Agents: others who own SIM cards and feed their numbers into this installation by the field's agent protocol.

Here we are the hub. The other way, where another hub buys from us, is `onceline.edge.protocols.agent`.
"""
