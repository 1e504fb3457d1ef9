"""From a text to its labels: sentences, features, scores, evidence. classify.py is the entry."""
