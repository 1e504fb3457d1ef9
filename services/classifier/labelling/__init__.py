"""From a text to its labels: sentences, features, scores, evidence. classifier.py is the entry."""
