"""The parts of OpenLineage's documents: facets and datasets.

Versions are those of openlineage-python 1.54; a test holds them against its classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PRODUCER = "https://pypi.org/project/flexcore"
_FACETS = "https://openlineage.io/spec/facets"


def facet(schema: str, **values: object) -> dict[str, Any]:
    """Return a facet of a published schema, e.g. `1-2-0/ParentRunFacet`."""
    name = schema.rpartition("/")[2]
    url = f"{_FACETS}/{schema}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def dataset(
    namespace: str, name: str, columns: Iterable[tuple[str, str | None]] = ()
) -> dict[str, Any]:
    """Return a dataset, with a schema facet where its columns and types are known."""
    fields = [
        {"name": column, **({"type": kind} if kind else {})} for column, kind in columns
    ]
    facets = {}
    if fields:
        facets["schema"] = facet("1-2-0/SchemaDatasetFacet", fields=fields)
    return {"namespace": namespace, "name": name, "facets": facets}


def as_read(
    found: dict[str, Any], rows: object = None, size: object = None
) -> dict[str, Any]:
    """Return a dataset with how much was read from it: rows and bytes, if known."""
    counts = _counts(rowCount=rows, size=size)
    if not counts:
        return found
    statistics = facet("1-0-0/InputStatisticsInputDatasetFacet", **counts)
    return {**found, "inputFacets": {"inputStatistics": statistics}}


def as_written(
    found: dict[str, Any], rows: object = None, files: object = None
) -> dict[str, Any]:
    """Return a dataset with how much was written to it, as far as that is known."""
    counts = _counts(rowCount=rows, fileCount=files)
    if not counts:
        return found
    statistics = facet("1-0-2/OutputStatisticsOutputDatasetFacet", **counts)
    return {**found, "outputFacets": {"outputStatistics": statistics}}


def _counts(**values: object) -> dict[str, int]:
    return {k: v for k, v in values.items() if isinstance(v, int) and v >= 0}
