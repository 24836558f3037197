"""The desk as a browser shows it: whole journeys through Debian's Chromium, on an installation that really runs."""
