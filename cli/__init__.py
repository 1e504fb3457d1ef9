"""The `incidentwire` command."""
