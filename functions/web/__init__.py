"""Web: the front end."""
