"""Pages for people: server-rendered, one module and template for each."""
