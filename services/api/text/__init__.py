"""Text for comparison and for the index: folding, index terms, names, countries, spellings. Pure."""
