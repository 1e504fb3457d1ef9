"""The classifier: fetch, archive, extract and label pages, and link them to incidents."""
