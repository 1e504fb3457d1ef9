"""The agreement between the services of Incidentwire. Nothing here runs by itself."""
