"""Fetching pages: which one is next, robots.txt, one request, the hand-over."""
