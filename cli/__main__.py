"""`python -m cli` is `incidentwire`."""

from cli.main import main

main()
