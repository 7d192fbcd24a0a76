"""One server per file, all answering the same four paths; what they share is ``shared.py``."""
