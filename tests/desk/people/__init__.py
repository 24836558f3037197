"""People: how they get in, what keeps others out, who belongs to an account, what is kept about them."""
