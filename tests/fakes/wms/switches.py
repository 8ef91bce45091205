"""Every behaviour that no document settles, with its default."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Switches:
    """What a client has to survive; set by `--switch` or `/__sim__/switches`."""

    empty_last_page: str = "next_is_null"
    """`next_is_null`, or `next_is_404`: a full last page links to an empty one."""
    page_size_above: str = "clamp"
    """`clamp` or `400` for a page_size above 1,250."""
    default_page_size: int = 25
    """The user's "Rows per Page" (10 to 125)."""
    max_page_size: int = 1250
    sequenced_ordering: str = "ignored"
    """`ignored`, or `followed`: whether a cursor pages along `ordering`."""
    cursor_ttl_seconds: float = 0.0
    """A cursor older than this is refused with 400; 0 means never."""
    links_port: str = "explicit"
    """`explicit`, `none`, `https` or `other_name`: how next_page names its host."""
    bulk_over_limit: str = "400"
    """`400`, or `truncated`: a bulk operation on more rows than the user's page."""
    wave_seconds: float = 60.0
    """How long a wave runs, by the server's clock."""
    links_host: str = ""
    """`foreign`: next_page points to a host that must never see credentials."""
    links_form: str = "absolute"
    """`absolute`, `path`, `query` (relative, RFC 3986 §5.2) or `reordered`."""
    page_modes: str = "both"
    """`both`, or `paged`: an environment that ignores page_mode and cursor."""
    empty_pages: bool = False
    """An empty page with a next_page comes between any two of a cursor."""
    error_details_as: str = "map"
    """`map`, `list` or `none`: the documented forms of `details`."""
    next_page_loop: bool = False
    """next_page points to the page it is on."""
    decimals_as: str = "string"
    """`string`, `number`, or `mixed`: numbers in some fields, strings in others."""
    describe_keys_as: str = "field"
    """Type that `describe` gives foreign keys: `field`, `relation` or `integer`."""
    describe_more: str = ""
    """`entity.field=type`: one type that `describe` names otherwise."""
    legacy_without_slash: str = "404"
    """`404` or `301`."""
    discovery_as: str = "dict"
    """`dict`, `list`, `named` (objects in a list), `addresses` (in a list), `wrapped`
    (a list in an object) or `nested` (an object in one)."""
    forbidden_entity: str = ""
    """One more entity that this user may not list."""
    describe_as: str = "dict"
    """`dict`, `list`, or `403`: what the fields of `describe` come in, if at all."""
    has_offsets: bool = True
    """Whether date-times carry the offset of the user's zone, as documented."""
    late_commit_seconds: float = 0.0
    """Rows inserted during a read carry a mod_ts this much in the past."""
    user_zone: str = "America/New_York"
    """The default facility's time zone; offsets change with its DST."""
    unordered_pages: bool = True
    """Paged mode without `ordering` returns rows in another order each time."""
    lock_after_401: int = 5
    """So many 401 in a row lock the user for good."""
    token_ttl_seconds: float = 3600.0
    expires_in: str = "int"
    """`int`, `string` or `absent` in the token's answer."""
    token_scope: str = ""
    """The only scope the token endpoint grants; empty grants any."""
    stage_status_mode: str = "21D"
    """`21D`: a failed submit is 400; `pre21D`: 200 with <success>False."""
    stage_answer_as: str = "xml"
    """`xml`; `loose` (other case, blanks, a BOM) or `json` where nothing is shown."""
    stage_sync_failure: str = "listed"
    """With async=False, a rejected row is `listed` only, or `answered` as failure."""
    stage_delay_seconds: float = 0.2
    stage_rejected_status: int = 101
    stage_create_existing: str = "update"
    """`update` or `reject` when CREATE meets a row that exists."""
    stage_max_parallel: int = 10
    stage_over_parallel: str = "503"
    """`503`, or `accept`: more parallel submits than the documented ten."""
    stage_body_over_10mb: str = "413"
    """`413`, or `accept`."""
    stage_reorder: bool = False
    """Staged rows are processed in another order than they came."""
    stage_stays_listed: bool = False
    """Processed rows stay in stage_* with status 90 instead of vanishing."""

    def set(self, name: str, text: str) -> None:
        """Sets one switch from text; an unknown name is a KeyError."""
        kinds = {
            field.name: type(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        kind = kinds[name]
        value: object = (
            text.lower() in {"1", "true", "yes"} if kind is bool else kind(text)
        )
        setattr(self, name, value)
