"""Cash that staff take over the counter: recorded with a document by one person, credited by the yes of another.

Promises: nothing counts by one person's word; what was written stays written. Never gives cash back: the house cannot see
who stands at the counter, so whoever shall have it back is paid outside of it, by hand.
"""
