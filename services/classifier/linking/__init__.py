"""Linking of mentions to incidents. decide.py is the entry, linker.py the process."""
