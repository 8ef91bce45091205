"""Every behaviour that no document settles, with its default."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Switches:
    """What a client has to survive; set by `--switch` or `/__sim__/switches`."""

    keys: str = "camel"
    """`camel`, `kebab`, or `mixed` (lists camel, details kebab)."""
    wrapper: bool = False
    """Lists come inside {"content": …}."""
    redirect: str = "design"
    """Design calls on the instance host: `design` (307), `evil`, `loop`, `none`."""
    max_limit: int = 100
    total_results: str = "truth"
    """`truth`, `missing` or `wrong`."""
    offset: str = "obeyed"
    """`obeyed`, or `ignored`: every page is the first."""
    quoted_id: str = "accepted"
    """`accepted`, or `400`: a raw `|` in a path."""
    details: str = "absent"
    """Empty sub-arrays of details: `absent`, `null` or `empty`."""
    timestamps: str = "+0000"
    """`+0000`, `Z` or `epoch_ms`."""
    scalars: str = "native"
    """`native`, or `string`: booleans and numbers as text (old Gen 2)."""
    monitoring_offset_wall: int = 500
    beyond_wall: str = "empty"
    """Past the wall: `empty` (hasMore false), `400` or `repeat` (last page again)."""
    monitoring_totals: str = "truth"
    """`truth`, or `page`: no totalRecordsCount, only totalResults, this page's."""
    retention_days: int = 32
    before_retention: str = "400"
    """`400` or `clipped`."""
    token_ttl_seconds: float = 3600.0
    expires_in: str = "int"
    """`int`, `string` or `absent`."""
    role: str = "ok"
    """`ok`, `missing` (401 for ever) or `low` (403)."""
    post_without_override: str = "405"
    """`405` or `400`."""
    connection_test: str = "SUCCESS"
    """`SUCCESS`, `FAILED` (with status 200) or `412`."""
    locked: str = ""
    """Ids that someone holds in the console, separated by commas."""
    locked_status: int = 412
    archive_post: str = "204"
    """`204` with Location, or `200` with a body."""
    activation_seconds: float = 0.3
    activation_fails: bool = False
    error_status: str = "string"
    """`string` ("HTTP 409 Conflict"), `int` or `absent`."""
    error_details: str = "list"
    """`list`, `object` or `null` for o:errorDetails."""
    error_body: str = "json"
    """`json`, `text` (text/plain), `html` or `empty`."""
    links: str = "list"
    """`list`, or `object` with @rel and @href (ICS)."""
    duplicates: bool = False
    """Each list answer repeats its first row."""
    lookup_edits: int = 0
    """So many reads of a lookup are each followed by someone's edit; -1 for all."""
    dependents_warning: bool = False
    """A changed connection has active dependents: 200 and a warning."""
    activation_mode: str = "async"
    """`async`, or `sync`: the answer comes when the activation has ended."""
    activity_paths: str = ""
    """`both`, `details` (the deprecated one is a 404) or `old`; by default Gen 2 has
    the old one, Integration 3 both."""
    archive_mebibytes: int = 0
    """Size of an exported archive; 0 is small."""
    archive_cut: bool = False
    """Exported archives end in their middle, and their length says so too."""
    resubmit_answer: str = "as_asked"
    """`as_asked` (a body with return=sync), or `202`: always without a body."""
    schedule_state: str = "ACTIVE"
    """State that a schedule is in at first."""
    instances_move: int = 0
    """After so many monitoring answers an instance in the middle goes on."""
    reorder_after_lists: int = 0
    """After so many list answers the last row moves to the front."""

    def set(self, name: str, text: str) -> None:
        """Sets one switch from text; an unknown name is a KeyError."""
        kinds = {f.name: type(getattr(self, f.name)) for f in dataclasses.fields(self)}
        kind = kinds[name]
        value: object = text.lower() in {"1", "true"} if kind is bool else kind(text)
        setattr(self, name, value)
