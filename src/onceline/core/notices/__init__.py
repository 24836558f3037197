"""What an account is told: notifications in the house, and mail to an address that it confirmed."""
