"""Suppliers as an operator configured them, the health of their devices, and what staff should look at."""
