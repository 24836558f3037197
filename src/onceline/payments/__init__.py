"""Where deposits come from: one folder per kind of processor, and nothing of one in another.

A processor is told of a deposit and asked what became of it. It never moves money in the books: core does, once, on what
was read back from the processor itself. A callback is only a hint that there is something to read.
"""
