"""Linking of mentions to incidents. merge_rule.py is the entry, linker.py the process."""
