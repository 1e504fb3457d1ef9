"""Coverage-guided fuzzing of what reads strangers' input: `make fuzz SECONDS=…`."""
