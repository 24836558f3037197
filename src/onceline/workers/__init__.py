"""Clocks: everything that happens because time passed or a wake-up came. One file per clock."""
