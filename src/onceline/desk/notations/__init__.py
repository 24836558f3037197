"""How dates are written, where Django's way is not ours: 11/12 is two days, depending on who reads it."""
