"""Processors of payments as an operator configured them; what they tell us is kept here until it was read back."""
