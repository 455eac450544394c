"""The Firestore database: its indexes, field overrides and time-to-live, as in `firestore.indexes.json`."""

import json
from functools import partial
from typing import Any, Final

from deploy.gcloud import Gcloud, Resource
from deploy.target import Target

INDEX_FILE: Final = "firestore.indexes.json"
NAME_FIELD: Final = "__name__"


def set_up(cloud: Gcloud, target: Target) -> None:
    """Create the database and the missing parts of its configuration, and update the settings that differ."""
    found = cloud.by_name("firestore databases list").get(target.database)
    if found is None:
        flags = [f"--location={target.region}", "--type=firestore-native", "--delete-protection"]
        if target.production:
            flags.append("--enable-pitr")
        cloud.change("firestore databases create", f"--database={target.database}", *flags)
    elif flags := _changed_flags(target, found):
        cloud.change("firestore databases update", f"--database={target.database}", *flags)
    wanted = json.loads((target.root / INDEX_FILE).read_text())
    cloud.together(
        partial(_create_indexes, cloud, target, wanted["indexes"]),
        partial(_update_fields, cloud, target, wanted["fieldOverrides"]),
    )


def _changed_flags(target: Target, found: Resource) -> list[str]:
    """Return the flags for the settings of an existing database that differ; the fields are missing while they are off."""
    flags = []
    if found.get("deleteProtectionState") != "DELETE_PROTECTION_ENABLED":
        flags.append("--delete-protection")
    kept = found.get("pointInTimeRecoveryEnablement") == "POINT_IN_TIME_RECOVERY_ENABLED"
    if kept != target.production:
        flags.append("--enable-pitr" if target.production else "--no-enable-pitr")
    return flags


def _create_indexes(cloud: Gcloud, target: Target, wanted: list[dict[str, Any]]) -> None:
    database = f"--database={target.database}"
    existing = {
        _index_key(_field_key(index["name"])[0], index["queryScope"], index["fields"])
        for index in cloud.items("firestore indexes composite list", database)
    }
    for index in wanted:
        collection, scope, fields = index["collectionGroup"], index["queryScope"], index["fields"]
        if _index_key(collection, scope, fields) not in existing:
            flags = [f"--collection-group={collection}", f"--query-scope={scope}", *map(_field_config, fields)]
            cloud.change("firestore indexes composite create", database, *flags, "--async", exists_ok=True)


def _update_fields(cloud: Gcloud, target: Target, wanted: list[dict[str, Any]]) -> None:
    # Sequential: the field with a time-to-live also has an index exemption, and Firestore accepts one change at a time.
    _exempt_fields(cloud, target, wanted)
    _update_ttl(cloud, target, [each for each in wanted if each.get("ttl")])


def _exempt_fields(cloud: Gcloud, target: Target, wanted: list[dict[str, Any]]) -> None:
    exempt = set()
    for field in cloud.items("firestore indexes fields list", f"--database={target.database}"):
        config = field.get("indexConfig", {})
        if not config.get("usesAncestorConfig") and not config.get("indexes"):
            exempt.add(_field_key(field["name"]))
    for each in wanted:
        if not each.get("indexes") and (each["collectionGroup"], each["fieldPath"]) not in exempt:
            flags = ["--disable-indexes", *([] if each.get("ttl") else ["--async"])]
            cloud.change("firestore indexes fields update", *_field_flags(target, each), *flags)


def _update_ttl(cloud: Gcloud, target: Target, fields: list[dict[str, Any]]) -> None:
    """Let Firestore delete expired documents if runs have a retention; otherwise remove the time-to-live."""
    listed = cloud.items("firestore fields ttls list", f"--database={target.database}")
    existing = {_field_key(field["name"]) for field in listed if "ttlConfig" in field}
    wanted = bool(target.retention_days)
    for each in fields:
        if ((each["collectionGroup"], each["fieldPath"]) in existing) != wanted:
            flags = ("--enable-ttl" if wanted else "--disable-ttl", "--async")
            cloud.change("firestore fields ttls update", *_field_flags(target, each), *flags)


def _field_flags(target: Target, field: dict[str, Any]) -> tuple[str, ...]:
    return (field["fieldPath"], f"--collection-group={field['collectionGroup']}", f"--database={target.database}")


def _field_key(name: str) -> tuple[str, str]:
    """Return the collection and the field path of a field's or an index's full name."""
    collection, _, rest = name.partition("/collectionGroups/")[2].partition("/")
    return collection, rest.removeprefix("fields/")


def _field_config(field: dict[str, str]) -> str:
    kind = "array-config" if "arrayConfig" in field else "order"
    return f"--field-config=field-path={field['fieldPath']},{kind}={_direction(field).lower()}"


def _direction(field: dict[str, str]) -> str:
    return field.get("order") or field["arrayConfig"]


def _index_key(collection: str, scope: str, fields: list[dict[str, str]]) -> tuple[object, ...]:
    """Return what identifies an index. Firestore appends `__name__` in the order of the last field if it is missing."""
    pairs = [(field["fieldPath"], _direction(field)) for field in fields]
    last, direction = pairs[-1]
    if last != NAME_FIELD:
        pairs.append((NAME_FIELD, direction if direction in {"ASCENDING", "DESCENDING"} else "ASCENDING"))
    return collection, scope, tuple(pairs)
