"""A processor's report of a day against the books: what they have and we have not, the other way round, and what differs."""
