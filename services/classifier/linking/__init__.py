"""What a mention is compared by, and the index it is looked up in. link.py is the entry, linker.py the process."""
