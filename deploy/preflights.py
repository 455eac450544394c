"""Preflights of web pages of other origins: they carry no identity, so IAP has to let them through to the functions, which answer them."""

import json
from functools import partial
from typing import Any

from deploy.difference import covers
from deploy.gcloud import Gcloud
from deploy.target import Target


def let_through(cloud: Gcloud, target: Target) -> None:
    """Have IAP pass OPTIONS to every backend, if there are such origins; else its settings are nobody's business here.

    A function answers OPTIONS with what an origin may do, never with anybody's data.
    """
    if target.origins:
        cloud.together(*(partial(_settle, cloud, target, target.name(name)) for name in target.balanced))


def _settle(cloud: Gcloud, target: Target, backend: str) -> None:
    where = ("--resource-type=backend-services", f"--service={backend}")
    found = cloud.find("iap", "settings", "get", *where) or {}
    wanted = {"accessSettings": {"corsSettings": {"allowHttpOptions": True}}}
    if covers(found, wanted):
        return
    # gcloud replaces all settings of a backend by those of the file, so what somebody has set goes along.
    access: dict[str, Any] = {**found.get("accessSettings", {}), **wanted["accessSettings"]}
    path = target.work / f"{backend}-iap.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**found, "accessSettings": access}, indent=2) + "\n")
    cloud.change("iap", "settings", "set", str(path), *where)
