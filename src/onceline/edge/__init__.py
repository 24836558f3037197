"""The door for machines: /api/v1, the live socket, supplier callbacks. The loop only waits; commands run in threads."""
