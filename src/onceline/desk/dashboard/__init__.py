"""What a customer does: order, watch codes arrive, rent, look back, keep keys and webhooks."""
