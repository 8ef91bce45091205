"""The streams: where each list is, its key, its columns.

Columns are those of Oracle's pages and of what clients were seen to receive
(Integration 3 and Gen 2 together); what else a row holds is kept in
`additionalFields`. Names are the service's own, in camel case.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flext_oracle_oic.records import (
    FLAG,
    INSTANT,
    LIST,
    NUMBER,
    OBJECT,
    TEXT,
    WHOLE,
)

DESIGN, CHILD, WINDOWED, SNAPSHOT = "design", "child", "windowed", "snapshot"


@dataclass(frozen=True)
class StreamSpec:
    """One stream.

    Args:
        name: Its name.
        kind: How it is read.
        path: Path of its list below the API's root; `{}` is the parent's id.
        keys: Its key columns.
        fields: Column to kind, see `records`.
        time: Column of its bookmark, for windowed streams.
        orders_by_name: The list takes `orderBy=name`, under which a change of a row
            moves none.
        details: The list is slim, and each row's own page has more.
        parent: Stream that a child's ids come from.
        statuses: What `status` may be asked for, for windowed streams.
        is_default: Read when no streams are named.
        is_gen_2: Gen 2 has it as well as Integration 3.
    """

    name: str
    kind: str
    path: tuple[str, ...]
    keys: tuple[str, ...]
    fields: dict[str, str] = field(hash=False)
    time: str | None = None
    orders_by_name: bool = False
    details: bool = False
    parent: str | None = None
    statuses: tuple[str, ...] = ()
    is_default: bool = True
    is_gen_2: bool = True


def _fields(
    text: str = "",
    instant: str = "",
    flag: str = "",
    whole: str = "",
    number: str = "",
    lists: str = "",
    objects: str = "",
) -> dict[str, str]:
    groups = (
        (text, TEXT),
        (instant, INSTANT),
        (flag, FLAG),
        (whole, WHOLE),
        (number, NUMBER),
        (lists, LIST),
        (objects, OBJECT),
    )
    return {name: kind for names, kind in groups for name in names.split()}


INSTANCE_STATUSES = (
    "COMPLETED",
    "FAILED",
    "ABORTED",
    "IN_PROGRESS",
    "RECOVERING",
    "RESUBMITTED",
    "SCHEDULE_WAITING",
    "SCHEDULE_PAUSED",
    "QUEUED",
    "PAUSED",
    "BLOCKED",
    "UNKNOWN",
)
_STAMPS = "created lastUpdated lockedDate"
_WHO = "createdBy lastUpdatedBy lockedBy"

SPECS = {
    spec.name: spec
    for spec in (
        StreamSpec(
            "integrations",
            DESIGN,
            ("integrations",),
            ("id",),
            _fields(
                f"id code version name description keywords status pattern"
                f" patternDescription style styleDescription packageName projectType"
                f" scope securityPolicy endPointURI docUrl apipId bartaBuiltBy {_WHO}",
                _STAMPS,
                "lockedFlag scheduleApplicableFlag scheduleDefinedFlag compatible"
                " payloadTracingEnabledFlag tracingEnabledFlag recordEnabledFlag"
                " softDeactivated tempCopyExists isCloneAllowed isViewAllowed"
                " eventSubscriptionFlag publishFlag apiDeploymentInprogress",
                "percentageComplete totalEndPoints",
                "",
                "endPoints filmstrip scheduleParams trackingVariables links",
                "dependencies properties",
            ),
            orders_by_name=True,
            details=True,
        ),
        StreamSpec(
            "integration_schedules",
            CHILD,
            ("integrations", "{}", "schedule"),
            ("id",),
            _fields(
                "id name description frequency scheduleTZ scheduleTZDisplayName"
                " scheduleType state",
                "startDate",
            ),
            parent="integrations",
        ),
        StreamSpec(
            "connections",
            DESIGN,
            ("connections",),
            ("id",),
            _fields(
                f"id name description keywords status role securityPolicy agentGroupId"
                f" wsdlListDir {_WHO}",
                _STAMPS,
                "lockedFlag",
                "percentageComplete",
                "",
                "connectionProperties securityProperties links",
                "adapterType",
            ),
            orders_by_name=True,
            details=True,
        ),
        StreamSpec(
            "lookups",
            DESIGN,
            ("lookups",),
            ("name",),
            _fields(
                f"name description keywords status resourcePath {_WHO}",
                _STAMPS,
                "lockedFlag lockedDvmFlag usageActive",
                "rowCount usage",
                "",
                "columns adapters links",
            ),
            orders_by_name=True,
        ),
        StreamSpec(
            "lookup_rows",
            CHILD,
            ("lookups", "{}"),
            ("lookupName", "rowNumber"),
            _fields("lookupName", "", "", "rowNumber", "", "", "values"),
            parent="lookups",
        ),
        StreamSpec(
            "libraries",
            DESIGN,
            ("libraries",),
            ("id",),
            _fields(
                f"id code version name description status type {_WHO}",
                _STAMPS,
                "lockedFlag",
                "",
                "",
                "links",
            ),
            orders_by_name=True,
        ),
        StreamSpec(
            "packages",
            DESIGN,
            ("packages",),
            ("name",),
            _fields(
                f"name description {_WHO}", _STAMPS, "", "", "", "integrations links"
            ),
            orders_by_name=True,
        ),
        StreamSpec(
            "projects",
            DESIGN,
            ("projects",),
            ("id",),
            _fields(
                "id code name description type cloneRestrict lastUpdatedBy createdBy",
                "lastUpdated created",
                "viewRestricted mcpEnabled simplifiedMode",
                "",
                "",
                "smartTags links",
                "state origin",
            ),
            is_gen_2=False,
        ),
        StreamSpec(
            "certificates",
            DESIGN,
            ("certificates",),
            ("alias",),
            _fields(
                "alias name type category issuer subject status createdBy",
                "created lastUpdated expiryDate",
            ),
        ),
        StreamSpec(
            "adapters",
            DESIGN,
            ("adapters",),
            ("name",),
            _fields(
                "name displayName description type version category",
                "lastUpdated",
                "",
                "",
                "",
                "links",
            ),
        ),
        StreamSpec(
            "agent_groups",
            DESIGN,
            ("monitoring", "agentgroups"),
            ("id",),
            _fields("id name description type status", "lastUpdated created"),
        ),
        StreamSpec(
            "agents",
            CHILD,
            ("monitoring", "agentgroups", "{}", "agents"),
            ("agentGroupId", "id"),
            _fields(
                "agentGroupId id name host status version", "lastUpdated lastHeartbeat"
            ),
            parent="agent_groups",
        ),
        StreamSpec(
            "monitoring_instances",
            WINDOWED,
            ("monitoring", "instances"),
            ("id",),
            _fields(
                "id integrationId integrationName integrationVersion status mepType"
                " parentInstanceId requestId runId pkName pkValue primaryName"
                " primaryValue secondaryTrackingName secondaryTrackingValue"
                " tertiaryTrackingName tertiaryTrackingValue instanceReportingLevel"
                " invokedBy projectCode",
                "creationDate date lastTrackedTime",
                "nonScheduleAsync isDataAccurate projectFound isPurged"
                " hasRecoverableFaults isLitmusFlow isLitmusSupported",
                "duration",
                "",
                "flowMilestones errorMilestones invokeEventIds trackings links",
            ),
            time="lastTrackedTime",
            statuses=INSTANCE_STATUSES,
        ),
        StreamSpec(
            "activity_stream",
            CHILD,
            ("monitoring", "instances", "{}", "activityStreamDetails"),
            ("instanceId", "position"),
            _fields(
                "instanceId position parentPosition identifier milestone message"
                " adapter invokedBy errorSummary payloadMediaType",
                "modifiedTimestamp instanceLastTrackedTime",
                "isErrorMilestone payloadExists",
                "depth elapsedTime totalIterations payloadSize",
                "",
                "loopIterations payloadHeaders links",
                "errorDetails",
            ),
            parent="monitoring_instances",
            time="instanceLastTrackedTime",
            is_default=False,
        ),
        StreamSpec(
            "errors",
            WINDOWED,
            ("monitoring", "errors"),
            ("id",),
            _fields(
                "id errorMessage errorDetails errorCode faultId instanceId primaryName"
                " primaryValue runId status",
                "creationDate lastTrackedTime",
                "integrationDeleted recoverable isDataAccurate",
                "retryCount",
                "",
                "links",
                "integration connection",
            ),
            time="lastTrackedTime",
            statuses=INSTANCE_STATUSES,
        ),
        StreamSpec(
            "monitoring_integrations",
            SNAPSHOT,
            ("monitoring", "integrations"),
            ("id",),
            _fields(
                "id code version name status flowId flowStatus endPointURI mepType"
                " lastUpdatedBy lastUpdatedString nextRunDateString proxyWSDL"
                " scheduleStatus",
                "lastUpdated",
                "optimizedVersion scheduleApplicable scheduleDefined",
                "noOfMsgsReceived noOfMsgsProcessed noOfSuccess noOfErrors noOfAborted",
                "successRate",
                "links",
            ),
        ),
        StreamSpec(
            "audit_records",
            WINDOWED,
            ("monitoring", "auditRecords"),
            ("id",),
            _fields(
                "id action user eventType resourceType resourceName description",
                "timestamp",
            ),
            time="timestamp",
        ),
        StreamSpec(
            "history",
            SNAPSHOT,
            ("monitoring", "history"),
            ("frequency", "position"),
            _fields(
                "frequency",
                "date startTime endTime",
                "",
                "position noOfMsgsReceived noOfMsgsProcessed noOfSuccess noOfErrors"
                " noOfAborted",
                "successRate",
            ),
            is_default=False,
        ),
    )
}

#: Names that FLEXT users hold.
ALIASES = {
    "executions": "monitoring_instances",
    "instances": "monitoring_instances",
    "schedules": "integration_schedules",
    "metrics": "monitoring_integrations",
    "audit_events": "audit_records",
}
