"""deploy/prometheus: what to scrape, alert rules, tests of the rules, Alertmanager.

Rules speak of metrics and labels only, so no name or text of a user becomes part of an
expression; Alertmanager's secrets are files that it reads itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.outputs.alert_rules import rule_groups, rule_tests
from flexcore_gen.plan import PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.model import Watch
    from flexcore_gen.plan import Project

FOLDER = "deploy/prometheus"
SECRETS = "/etc/alertmanager/secrets"


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """Configuration of Prometheus and Alertmanager, rules and their tests."""
    watch = project.ecosystem.watch
    sources = (project.ecosystem.mark,)
    files = {
        "prometheus.yml": _prometheus(project),
        "targets/flexcore.yml": [
            {"targets": list(watch.targets), "labels": {"job": "flexcore"}}
        ],
        "rules.yml": {"groups": rule_groups()},
        "rules_test.yml": rule_tests(),
        "alertmanager.yml": _alertmanager(watch),
    }
    for name, data in files.items():
        yield PlannedFile(f"{FOLDER}/{name}", data=data, sources=sources)


def _prometheus(project: Project) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": "30s",
            "evaluation_interval": "30s",
            "external_labels": {"project": project.ecosystem.project},
        },
        "rule_files": ["rules.yml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]
        },
        "scrape_configs": [
            {
                # Hosts come and go in targets/, without a restart of Prometheus.
                "job_name": "flexcore",
                "file_sd_configs": [{"files": ["targets/*.yml"]}],
            }
        ],
    }


def _alertmanager(watch: Watch) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": "operations"}
    if watch.chat:
        receiver["slack_configs"] = [
            {"api_url_file": f"{SECRETS}/chat_webhook_url", "send_resolved": True}
        ]
    if watch.emails:
        receiver["email_configs"] = [
            {
                "to": address,
                "from": watch.smtp_from,
                "smarthost": watch.smtp_server,
                "require_tls": True,
                "send_resolved": True,
                **(
                    {
                        "auth_username": watch.smtp_username,
                        "auth_password_file": f"{SECRETS}/smtp_password",
                    }
                    if watch.smtp_username
                    else {}
                ),
            }
            for address in watch.emails
        ]
    return {
        "route": {
            "receiver": "operations",
            "group_by": ["alertname", "pipeline", "environment"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "matchers": ['severity="info"'],
                    "receiver": "operations",
                    "repeat_interval": "24h",
                }
            ],
        },
        "inhibit_rules": [
            {
                # A pipeline that failed is late as well: one message is enough.
                "source_matchers": ['alertname="FlexcorePipelineFailed"'],
                "target_matchers": ['alertname="FlexcoreDataStale"'],
                "equal": ["pipeline", "environment"],
            }
        ],
        "receivers": [receiver],
    }
