"""The Firestore database: its indexes, field overrides and time-to-live, as `firestore.indexes.json` wants them."""

import json
from functools import partial
from typing import Any, Final

from deploy.gcloud import Gcloud
from deploy.target import Target

INDEX_FILE: Final = "firestore.indexes.json"
NAME_FIELD: Final = "__name__"


def set_up(cloud: Gcloud, target: Target) -> None:
    """Make the database and what belongs to it, as far as it is not there."""
    _make_database(cloud, target)
    wanted = json.loads((target.root / INDEX_FILE).read_text())
    cloud.together(
        partial(_make_indexes, cloud, target, wanted["indexes"]),
        partial(_settle_fields, cloud, target, wanted["fieldOverrides"]),
    )


def _make_database(cloud: Gcloud, target: Target) -> None:
    there = {database["name"].rpartition("/")[2] for database in cloud.items("firestore", "databases", "list")}
    if target.database in there:
        return
    cloud.change(
        "firestore",
        "databases",
        "create",
        f"--database={target.database}",
        f"--location={target.region}",
        "--type=firestore-native",
        "--delete-protection",
        *(["--enable-pitr"] if target.production else []),
    )


def _make_indexes(cloud: Gcloud, target: Target, wanted: list[dict[str, Any]]) -> None:
    there = {
        _identity(_collection(index["name"]), index["queryScope"], index["fields"])
        for index in cloud.items("firestore", "indexes", "composite", "list", f"--database={target.database}")
    }
    for index in wanted:
        if _identity(index["collectionGroup"], index["queryScope"], index["fields"]) not in there:
            cloud.change(
                "firestore",
                "indexes",
                "composite",
                "create",
                f"--database={target.database}",
                f"--collection-group={index['collectionGroup']}",
                f"--query-scope={index['queryScope']}",
                *(f"--field-config={_field_config(field)}" for field in index["fields"]),
                "--async",
                exists_ok=True,
            )


def _settle_fields(cloud: Gcloud, target: Target, wanted: list[dict[str, Any]]) -> None:
    # One after the other, since a field that expires documents is also exempt, and takes one change at a time.
    _override_fields(cloud, target, wanted)
    _expire_documents(cloud, target, [each for each in wanted if each.get("ttl")])


def _override_fields(cloud: Gcloud, target: Target, wanted: list[dict[str, Any]]) -> None:
    exempt = {
        (_collection(field["name"]), field["name"].rpartition("/fields/")[2])
        for field in cloud.items("firestore", "indexes", "fields", "list", f"--database={target.database}")
        if not field.get("indexConfig", {}).get("usesAncestorConfig")
        and not field.get("indexConfig", {}).get("indexes")
    }
    for each in wanted:
        if each.get("indexes") or (each["collectionGroup"], each["fieldPath"]) in exempt:
            continue
        cloud.change(
            "firestore",
            "indexes",
            "fields",
            "update",
            each["fieldPath"],
            f"--collection-group={each['collectionGroup']}",
            f"--database={target.database}",
            "--disable-indexes",
            *([] if each.get("ttl") else ["--async"]),
        )


def _expire_documents(cloud: Gcloud, target: Target, fields: list[dict[str, Any]]) -> None:
    """Have Firestore delete what has expired, where runs are not kept for ever; where they are, have it stop."""
    there = {
        (_collection(field["name"]), field["name"].rpartition("/fields/")[2])
        for field in cloud.items("firestore", "fields", "ttls", "list", f"--database={target.database}")
        if "ttlConfig" in field
    }
    expiring = bool(target.retention_days)
    for each in fields:
        if ((each["collectionGroup"], each["fieldPath"]) in there) != expiring:
            cloud.change(
                "firestore",
                "fields",
                "ttls",
                "update",
                each["fieldPath"],
                f"--collection-group={each['collectionGroup']}",
                f"--database={target.database}",
                "--enable-ttl" if expiring else "--disable-ttl",
                "--async",
            )


def _collection(name: str) -> str:
    return name.partition("/collectionGroups/")[2].partition("/")[0]


def _field_config(field: dict[str, str]) -> str:
    if "arrayConfig" in field:
        return f"field-path={field['fieldPath']},array-config={field['arrayConfig'].lower()}"
    return f"field-path={field['fieldPath']},order={field['order'].lower()}"


def _identity(collection: str, scope: str, fields: list[dict[str, str]]) -> tuple[object, ...]:
    """What makes an index itself. Firestore appends `__name__` in the last field's order, whether asked or not."""
    pairs = [(field["fieldPath"], field.get("order") or field.get("arrayConfig")) for field in fields]
    if pairs[-1][0] != NAME_FIELD:
        pairs.append((NAME_FIELD, pairs[-1][1] if pairs[-1][1] in {"ASCENDING", "DESCENDING"} else "ASCENDING"))
    return collection, scope, tuple(pairs)
