"""Messages from an SMSC, or from a gateway box, over SMPP 3.4: we bind and it delivers.

Promised: a message is acknowledged only when it is committed, and one that is not comes again.
"""
