"""Create, update and delete, each as HAPI answers it."""

import re
import secrets
from dataclasses import dataclass
from typing import Any

from tests.stub_ehr.elements import without_unknown
from tests.stub_ehr.records import Records, Version
from tests.stub_ehr.refusals import Problem
from tests.stub_ehr.searching import find
from tests.stub_ehr.validation import check_content, check_id, checked_references


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write came to: 201 when a resource was made, else 200; `moved` is False where nothing changed."""

    status: int
    version: Version
    has_changed: bool = True


def create(
    records: Records, kind: str, resource: dict[str, Any], if_none_exist: str | None, id_: str | None = None
) -> WriteResult:
    """POST: the server chooses the id (`id_`, where it has done so already). With If-None-Exist a match is answered."""
    _same_type(kind, resource)
    with records.group():
        if if_none_exist is not None:
            matches = find(records, kind, if_none_exist.rpartition("?")[2])
            if len(matches) > 1:
                raise Problem(
                    412, "HAPI-0958: Failed to CREATE because the search matched more than one resource"
                )
            if matches:
                newest = records.newest(kind, matches[0]["id"])
                assert newest is not None
                return WriteResult(200, newest, has_changed=False)
        return WriteResult(201, _store(records, kind, id_ or records.unused_id(), resource))


def update(
    records: Records,
    kind: str,
    id_: str,
    resource: dict[str, Any],
    if_match: str | None,
    *,
    client_ids: bool = True,
) -> WriteResult:
    """PUT with an id. `If-None-Match` is not looked at, as in HAPI: it overwrites."""
    _same_type(kind, resource)
    if resource.get("id") != id_:
        raise Problem(400, "HAPI-0420: Can not update resource, resource body must contain an ID element which matches the request URL")  # fmt: skip
    with records.group():
        newest = records.newest(kind, id_)
        if newest is None:
            check_id(kind, id_)  # an id of digits that the server gave itself is as good as any
        if newest is None and not client_ids:
            raise Problem(405, "HAPI-0959: Client assigned ids are not allowed here", code="not-supported")
        _check_version(newest, if_match)
        if newest is not None and newest.resource is not None and _nothing_new(newest.resource, resource):
            return WriteResult(200, newest, has_changed=False)
        status = 201 if newest is None or newest.resource is None else 200
        return WriteResult(status, _store(records, kind, id_, resource))


def update_where(
    records: Records,
    kind: str,
    query: str,
    resource: dict[str, Any],
    if_match: str | None,
    *,
    takes_id: bool = False,
    id_: str | None = None,
) -> WriteResult:
    """PUT with a search: updates the one match, creates where there is none, under `id_` if it is given.

    `takes_id`: under the body's id if it has one, as HAPI does in a transaction and not by itself.
    """
    _same_type(kind, resource)
    with records.group():
        matches = find(records, kind, query)
        if len(matches) > 1:
            raise Problem(
                412, "HAPI-0958: Failed to UPDATE because the search matched more than one resource"
            )
        if matches:
            return update(records, kind, matches[0]["id"], {**resource, "id": matches[0]["id"]}, if_match)
        if takes_id and "id" in resource:
            return update(records, kind, resource["id"], resource, if_match)
        return create(records, kind, resource, None, id_)


def delete(records: Records, kind: str, id_: str, if_match: str | None = None) -> Version | None:
    """DELETE: a version without content; None where there was nothing."""
    with records.group():
        newest = records.newest(kind, id_)
        if newest is None or newest.resource is None:
            return newest
        _check_version(newest, if_match)
        if records.is_referred_to(kind, id_):
            raise Problem(
                409,
                f"HAPI-0550: Unable to delete {kind}/… because at least one resource has a reference to it",
            )
        return records.add(kind, id_, None)


def check_targets(records: Records, versions: list[Version]) -> None:
    """Every reference that HAPI reads must lead to something that is there."""
    for version in versions:
        for reference in checked_references(version.resource or {"resourceType": ""}):
            kind, _, id_ = reference.partition("/")
            if records.get(kind, id_) is None:
                raise Problem(
                    400, f"HAPI-1094: Resource {kind}/… not found, specified in path of {version.kind}"
                )


def _store(records: Records, kind: str, id_: str, resource: dict[str, Any]) -> Version:
    check_content(resource)
    _only_one_definition(records, kind, id_, resource)
    kept = records.keeps(_unversioned(without_unknown(resource)))
    existing = records.get(kind, id_)
    kept["meta"] = _merged_meta(existing.get("meta", {}) if existing else {}, resource.get("meta", {}))
    return records.add(kind, id_, kept)


def _same_type(kind: str, resource: Any) -> None:
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise Problem(400, f"HAPI-1861: Failed to parse request body as JSON resource of type {kind}")


def _check_version(newest: Version | None, if_match: str | None) -> None:
    if if_match is None or newest is None:
        return
    wanted = re.fullmatch(r'(?:W/)?"([^"]*)"', if_match.strip())
    if not wanted or wanted[1] != str(newest.number):
        raise Problem(
            409, f"HAPI-0989: Trying to update a version that is not the current one ({newest.number})"
        )


def _only_one_definition(records: Records, kind: str, id_: str, resource: dict[str, Any]) -> None:
    if kind != "CodeSystem":
        return
    for other in records.of_type(kind):
        same = all(other.get(name) == resource.get(name) for name in ("url", "version"))
        if same and other["id"] != id_:
            raise Problem(
                422, "HAPI-0848: Can not create multiple CodeSystem resources with this url and version"
            )


def _nothing_new(existing: dict[str, Any], wanted: dict[str, Any]) -> bool:
    kept = _unversioned(without_unknown(wanted))
    old, new = ({k: v for k, v in r.items() if k not in ("meta",)} for r in (existing, kept))
    merged = _merged_meta(existing.get("meta", {}), wanted.get("meta", {}))
    labels = ("tag", "security", "profile")
    return old == new and all(existing.get("meta", {}).get(n) == merged.get(n) for n in labels)


def _merged_meta(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Tags and security labels are added to the old ones and never go; profiles are replaced."""
    meta = {
        name: value
        for name, value in new.items()
        if name not in ("versionId", "lastUpdated", "tag", "security")
    }
    for name in ("tag", "security"):
        labels = list(old.get(name, []))
        labels += [label for label in new.get(name, []) if label not in labels]
        if labels:
            meta[name] = labels
    if "source" in meta:
        meta["source"] = meta["source"].partition("#")[0] + "#" + secrets.token_hex(8)
    return meta


def _unversioned(value: Any) -> Any:
    """References lose `/_history/n`, inside document Bundles too."""
    if isinstance(value, list):
        return [_unversioned(member) for member in value]
    if not isinstance(value, dict):
        return value
    copy = {name: _unversioned(member) for name, member in value.items()}
    if isinstance(copy.get("reference"), str):
        copy["reference"] = re.sub(r"/_history/[^/]+$", "", copy["reference"])
    return copy
