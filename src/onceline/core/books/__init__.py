"""The books as figures: the accounts of the house, the trial balance, a month of a side. Every figure is a sum of transfers."""
