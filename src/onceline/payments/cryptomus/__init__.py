"""Crypto by Cryptomus, or by another brand that serves the same API: invoices, read-backs, refunds to where money came from."""
