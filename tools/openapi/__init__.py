"""Generate the OpenAPI document from the route table, the wire models and the errors of the code.

`document.yaml` and `operations.yaml` hold what no code defines. Internal routes are left out, because the user-facing load
balancer does not serve them. The local service serves the generated file, `docs/openapi.yaml`.
"""
