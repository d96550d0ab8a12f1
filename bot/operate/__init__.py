"""Looking after an installation: how it stands (metrics, readiness, ``pne doctor``), backups of it and their return."""
