"""How the article is read off a page: bytes, markup, metadata, text, completeness. extract.py is the entry."""
