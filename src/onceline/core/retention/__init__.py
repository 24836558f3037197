"""What is kept for how long, and what is destroyed when. The periods are promises; see docs/reference/tables.md."""
