"""Ingest: accept submissions. It answers only after the log has the item on disk."""
