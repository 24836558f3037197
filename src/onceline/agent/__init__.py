"""The program on site: beside modems, a box or a farm of phones it takes messages, keeps them on disk, and posts them.

Promised: what `put` or a hook acknowledged is on disk and reaches the platform, whatever is killed or away in between; it may
arrive twice under the same id, which is one message there. Full means refused, and said. Never: a message dropped, a number, a
text or a secret in a log line; a connection from a hook.

Hooks run once for each message, on small machines: what they import is counted, so each command imports its own.
"""
