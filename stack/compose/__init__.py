"""The same topology as containers: what Docker Compose is given, and what runs once inside."""
