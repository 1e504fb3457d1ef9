"""Which page when: hosts, pauses, robots.txt. fetch.py fetches one."""
