"""Names and countries that reports are about, and spellings that curators declare one entity."""
