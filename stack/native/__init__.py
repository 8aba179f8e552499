"""The native profile: every service a process under supervisord, from package registries alone."""
