"""The classifier: fetches, keeps the evidence, extracts, labels; and links what it labelled to incidents."""
