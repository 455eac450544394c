"""The secret that page tokens are bound with, made once and shown to nobody."""

import secrets

from deploy.difference import last_segment
from deploy.gcloud import Gcloud, Secret
from deploy.identities import PAGE_TOKEN_KEY
from deploy.target import Target


def make(cloud: Gcloud, target: Target) -> None:
    """Make the secret with a random value, where it is not there."""
    name = target.name(PAGE_TOKEN_KEY)
    if name in {last_segment(secret["name"]) for secret in cloud.items("secrets", "list")}:
        return
    value = Secret(secrets.token_urlsafe(32), "python3 -c 'import secrets; print(secrets.token_urlsafe(32), end=\"\")'")
    cloud.change("secrets", "create", name, "--replication-policy=automatic", "--data-file=-", secret=value)
