"""Entities that reports name, and spellings that curators declare one entity."""
