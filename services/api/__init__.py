"""The API: the log as pages and streams, and the items as a read model that grows from it."""
