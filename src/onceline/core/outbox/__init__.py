"""Events: facts of one side, numbered without a gap, without content.

An event names its order and message; what they say is rendered when it is read, so nothing is sealed twice. `seq` is
taken from the side's row in the same transaction, which is why a cursor over it never skips.
"""
