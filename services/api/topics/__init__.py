"""Topics of one's own beside the four labels: named filters that curators define."""
