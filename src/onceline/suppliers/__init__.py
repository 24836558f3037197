"""Where numbers and messages come from: one folder per supplier."""
