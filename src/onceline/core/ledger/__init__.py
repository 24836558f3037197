"""Double entry: immutable transfers between ledger accounts, and the two stored figures of each side.

A customer's accounts are named by the side's random wallet number (`available`, `held`); house accounts by mode and
name. Stored figures always equal the sums of the transfers (invariant I1).
"""
