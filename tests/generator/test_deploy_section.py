"""The section deploy: its defaults, its checks, and overlays."""

import pytest

from flexcore_gen.deployment import Deployment
from flexcore_gen.ecosystem import load_ecosystem

START = "version: 1\nproject: p\n"


def test_without_a_section_there_are_defaults(write):
    assert load_ecosystem(write(ecosystem=START)).deployment == Deployment()


def test_an_overlay_is_merged_over_the_section(write):
    root = write(
        ecosystem=START
        + "environments: [development, production]\n"
        + "deploy: {namespace: data, resources: {memory_mb: 512, cpus: 0.5}}\n",
        config__production="deploy: {resources: {memory_mb: 2048}, "
        "egress: '10.0.0.1/32:1521'}\n",
    )
    ecosystem = load_ecosystem(root)
    development, production = ecosystem.environments
    assert ecosystem.deployment_in(development).resources.memory_mb == 512
    found = ecosystem.deployment_in(production)
    assert found.namespace == "data"
    assert (found.resources.memory_mb, found.resources.cpus) == (2048, "0.5")
    assert found.egress == (("10.0.0.1/32", 1521),)


@pytest.mark.parametrize(
    "section",
    [
        'image: {repository: "a\\nRUN x"}',
        'image: {tag: "1 && rm"}',
        f"image: {{tag: '1', digest: 'sha256:{'0' * 64}'}}",
        "image: {digest: sha256:abc}",
        "time_zone: '../etc'",
        "resources: {cpus: '0'}",
        "resources: {memory_mb: 1}",
        "secrets: {backend: vault}",
        "secrets: {backend: paper}",
        "postgres: {host: 'a b'}",
        "postgres: {host: a, password: literal}",
        "parts: [kafka]",
        "egress: ['example.com:443']",
        "egress: ['10.0.0.1/8:443']",
        "airflow: {executor: Sequential}",
        "unknown: 1",
    ],
)
def test_a_bad_value_is_an_error_at_its_place(write, errors, section):
    (error,) = errors(write(ecosystem=f"{START}deploy: {{{section}}}\n"))
    assert error.startswith("ecosystem.yaml:3:")
