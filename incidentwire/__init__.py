"""The agreement between the services of Incidentwire. Nothing here runs by itself."""

__version__ = "0.1.0"
