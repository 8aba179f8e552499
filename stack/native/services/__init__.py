"""One module a service (or a small family of processes that only make sense together)."""
