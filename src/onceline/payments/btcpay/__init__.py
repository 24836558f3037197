"""Crypto by a BTCPay Server of the operator's own: deposits only, and the page says so before payment."""
