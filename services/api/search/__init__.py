"""GET /v1/search: items and incidents by relevance, with snippets and facets."""
