"""Vouchers that resellers sell for money of their own: printed codes, made by one person and put in force by another.

Promises: a voucher is redeemed once, by one account; what was issued and not redeemed is a debt of the house, to the micro-unit.
Never keeps a code: it is shown once, when it is made, and known by a keyed hash from then on.
"""
