"""The three services. They meet only in the log, the queue and the archive, never in each other's code."""
