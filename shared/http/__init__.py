"""Serve functions over HTTP: requests, responses, problems and the decorator around every handler."""
