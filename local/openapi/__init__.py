"""The OpenAPI document, built from what the service itself reads: the route table, the models and the table of problems.

Routes that are `internal` stay out: the user-facing load balancer never leads to them, so no client could call what would be
documented. `python -m local.openapi` writes `docs/openapi.yaml`; the local gateway serves the same document.
"""
