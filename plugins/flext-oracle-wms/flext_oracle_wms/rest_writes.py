"""Writing through the REST API: POST to a collection, PATCH of one row.

Only some entities take either (WMS REST API Guide 25B, chapters "POST" and "PATCH");
the service says 405 for the others. No DELETE of an entity is documented, so none is
sent. Relations are ids, decimals are text.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.comparing import is_same, is_surely_same
from flext_oracle_wms.errors import (
    NotFoundError,
    RecordError,
    RequestRefusedError,
    UnknownOutcomeError,
    WmsError,
)
from flext_oracle_wms.instants import format_instant, parse_instant
from flext_oracle_wms.journal import digest
from flext_oracle_wms.listing import read_pages
from flext_oracle_wms.related import find_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flext_oracle_wms.client import Client
    from flext_oracle_wms.journal import Journal
    from flext_oracle_wms.operations import Operation
    from flext_oracle_wms.related import Related

ADDITIVE = frozenset({"inventory"})
"""A POST adds to what is there, each time it is sent."""
GET_OR_CREATE = frozenset({"inventory_attribute", "batch_number"})
"""A POST of what exists answers 200 and changes nothing: it may be repeated."""
CLOCK_MARGIN = dt.timedelta(seconds=60)
METHOD_NOT_ALLOWED = 405


class RestWriter:
    """Writes records of one entity, one request each.

    Args:
        client: The connection.
        entity: The entity.
        stream: The stream's name, for the journal.
        keys: Fields that name a record: `id`, or its natural key.
        related: Finds ids of relations.
        journal: Of writes that add up.
        company: company_code of the settings.
        reason_code: Reason of inventory that a record gives none for.
    """

    def __init__(
        self,
        client: Client,
        entity: str,
        *,
        stream: str,
        keys: Sequence[str],
        related: Related,
        journal: Journal,
        company: str = "",
        reason_code: str = "",
    ) -> None:
        self.client = client
        self.entity = entity
        self.stream = stream
        self.keys = keys
        self.related = related
        self.journal = journal
        self.company = company
        self.reason_code = reason_code

    def write(self, operation: Operation) -> None:
        """Carries out one operation.

        Raises:
            RecordError: The record cannot be written.
            RequestRefusedError: The service refused it; a 405 would any other, too.
            WmsError: Anything else ends the run.
        """
        if operation.mode == "delete":
            raise RecordError(f"the REST API has no delete of {self.entity}")
        fields = self.related.resolve(operation.fields, self.company)
        number = fields.pop("id", None)
        if self.entity in ADDITIVE:
            self.add(operation, fields)
            return
        if operation.mode == "create":
            number = None
        elif number is None and (row := self.find(fields)) is not None:
            number = row["id"]
            is_idle = operation.mode == "upsert" and not operation.options
            if is_idle and shows_all(fields, row):
                return  # a PATCH would change nothing, and not every entity takes one
        if number is not None:
            self.patch(number, fields, operation.options)
        elif operation.mode == "update":
            raise RecordError(f"no {self.entity} has {self.named(fields)}")
        else:
            self.create(fields, operation.options)

    # -- ways of writing -----------------------------------------------------------
    def patch(
        self, number: object, fields: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        """PATCH of one row; the key's fields stay out, they are how it was found."""
        keys = self.key_fields(fields)
        changes = {k: v for k, v in fields.items() if k not in keys}
        if not changes:
            return
        body = body_of(changes, options)
        try:
            self.client.send_json(
                "PATCH",
                self.client.entity_path(self.entity, number),
                body,
                is_repeatable=True,
            )
        except NotFoundError as error:
            raise RecordError(f"no {self.entity} has id {number}") from error
        except RequestRefusedError as error:
            raise explained(error, self.entity, "updated") from error

    def create(self, fields: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """POST; when its answer is lost, the row is looked for by its key."""
        try:
            self.client.send_json(
                "POST",
                self.client.entity_path(self.entity),
                body_of(fields, options),
                is_repeatable=self.entity in GET_OR_CREATE,
            )
        except UnknownOutcomeError:
            if not self.key_fields(fields) or self.find(fields) is None:
                raise
        except RequestRefusedError as error:
            raise explained(error, self.entity, "created") from error

    def add(self, operation: Operation, fields: Mapping[str, Any]) -> None:
        """POST of stock: at most once for each key, whatever happens."""
        if operation.mode == "update":
            raise RecordError(f"{self.entity} is created, not updated, by the REST API")
        fields = dict(fields)
        reason = fields.pop("reason_code", None) or self.reason_code
        options = dict(operation.options)
        if reason:
            options.setdefault("reason_code", reason)
        name = digest(self.stream, operation.keys)
        content = digest(self.stream, fields | options)
        with self.journal.turn():
            self.add_once(fields, options, name, content)

    def add_once(
        self,
        fields: Mapping[str, Any],
        options: Mapping[str, Any],
        name: str,
        content: str,
    ) -> None:
        """The POST itself, unless the journal or the service shows it was done."""
        if name in self.journal.done:
            if self.journal.done[name] != content:
                raise RecordError("it was sent before, with other values")
            return
        if name in self.journal.begun and self.has_arrived(name, fields):
            self.journal.finish(name, content)
            return
        self.journal.begin(name, format_instant(self.client.now()))
        try:
            self.client.send_json(
                "POST",
                self.client.entity_path(self.entity),
                body_of(fields, options),
                is_repeatable=False,
            )
        except RequestRefusedError as error:
            self.journal.forget(name)
            raise explained(error, self.entity, "created") from error
        self.journal.finish(name, content)

    def has_arrived(self, name: str, fields: Mapping[str, Any]) -> bool:
        """Whether a write that got no answer was carried out after all.

        Raises:
            UnknownOutcomeError: Stock at that place moved since, and not certainly by
                this write: a person has to look.
        """
        begun = self.journal.begun[name]
        since = format_instant(parse_instant(begun) - CLOCK_MARGIN)
        query = {
            key: str(value)
            for key, value in fields.items()
            if key.endswith("_id") and value is not None
        }
        rows: list[dict[str, Any]] = []
        for page in read_pages(
            self.client, self.entity, {**query, "mod_ts__gte": since}, page_size=100
        ):
            rows += page
        if not rows:
            return False
        new = [row for row in rows if str(row.get("create_ts")) and is_new(row, since)]
        if len(rows) == len(new) == 1 and same_quantity(fields, new[0]):
            return True
        raise UnknownOutcomeError(
            f"an earlier run sent this at {begun} and got no answer; since then"
            f" {len(rows)} rows of {self.entity} at this place changed",
            where=f"stream {self.stream!r}",
            fix="look whether it is there; then add its line to, or take it out of,"
            f" {self.journal.path}",
        )

    # -- finding -------------------------------------------------------------------
    def key_fields(self, fields: Mapping[str, Any]) -> list[str]:
        """The natural key's fields, after relations became ids."""
        out = []
        for key in self.keys:
            stem = self.related.stem(key, {})
            name = f"{stem}_id" if stem else key
            if name != "id" and name in fields:
                out.append(name)
        return out

    def find(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row with a record's natural key, or None."""
        keys = self.key_fields(fields)
        if not keys:
            raise RecordError(
                "neither an id nor the fields of key_properties are given, so no row"
                " can be found"
            )
        query = {key: str(fields[key]) for key in keys}
        rows = find_rows(self.client, self.entity, query)
        if len(rows) > 1:
            raise RecordError(
                f"several rows of {self.entity} have {self.named(fields)}"
            )
        return rows[0] if rows else None

    def named(self, fields: Mapping[str, Any]) -> str:
        """A record's key, for messages."""
        return ", ".join(f"{key}={fields[key]}" for key in self.key_fields(fields))


def body_of(fields: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a write, as the guide shows it."""
    body: dict[str, Any] = {"fields": dict(fields)}
    if options:
        body["options"] = dict(options)
    return body


def explained(error: RequestRefusedError, entity: str, verb: str) -> WmsError:
    """A 405 says what it means; any other refusal stays as it is."""
    if error.status != METHOD_NOT_ALLOWED:
        return error
    return RequestRefusedError(
        f"{entity} cannot be {verb} through the REST API: {error.what}",
        error.status,
        error.details,
        where=error.where,
        fix="the guide lists what takes POST and PATCH; item, vendor, store, site,"
        " purchase_order, ib_shipment and order are written through their interfaces",
    )


def shows_all(fields: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row surely holds all fields of a write, relations by their ids."""
    for name, value in fields.items():
        have = row.get(name)
        if isinstance(have, dict):
            have = have.get("id")
        if value is None or have is None or not is_surely_same(value, have):
            return False
    return True


def is_new(row: Mapping[str, Any], since: str) -> bool:
    """Whether a row was created since an instant."""
    created = row.get("create_ts")
    return bool(created) and parse_instant(str(created)) >= parse_instant(since)


def same_quantity(fields: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row holds the quantity that was sent."""
    return is_same(fields.get("curr_qty"), row.get("curr_qty"))
