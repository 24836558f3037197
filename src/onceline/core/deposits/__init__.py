"""Money in and out: deposits, their refunds, disputes. Every move is made once, on what was read back from a processor.

Promises M4 and M5: a deposit of which nothing was spent goes back in full, within 14 days, where it came from. Never names
a place for money to go to: no function here takes an address.
"""
