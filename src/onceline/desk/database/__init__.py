"""Django's way to the database of the house."""
