"""A processor that is none: test money, paid by a request of the customer's own. Reaches no network."""
