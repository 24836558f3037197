"""What can be ordered: countries, services, pools, offers and their prices."""
