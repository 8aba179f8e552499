"""Kernels that come up fast: a small server has imported everything already and forks one for each client."""
