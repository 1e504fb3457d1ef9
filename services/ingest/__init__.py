"""Ingest: the door through which items come in. It answers only after the log has the item on disk."""
