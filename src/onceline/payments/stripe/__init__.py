"""Cards by Stripe: a hosted page takes the payment (Checkout), what became of it is read back, refunds go to the card."""
