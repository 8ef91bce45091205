"""Each kind of mistake is found, with its place and a way out."""

import pytest

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.errors import FlexCoreError, InvalidEcosystemError

HEAD = "version: 1\nproject: demo\n"
LDIF = HEAD + "connections:\n  files: {system: ldif, path: in.ldif, output_path: o}\n"
ORACLE = HEAD + (
    "connections:\n  db: {system: oracle, host: h, service_name: s, "
    'username: u, password: "${P}"}\n'
)


def pipeline(*steps, name="p"):
    lines = ["pipeline:", f"  name: {name}", "  steps:"]
    return "\n".join([*lines, *(f"    - {step}" for step in steps)]) + "\n"


EXTRACT = "{name: e, service: flext-tap-ldif, config: {connection: files}}"
LOAD = (
    "{name: l, service: flext-target-ldif, depends_on: [e], "
    "config: {connection: files}}"
)


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("project: demo\n", "1:1", 'ecosystem has no "version"'),
        ("version: 1\n", "1:1", 'ecosystem has no "project"'),
        ("version: 2\nproject: demo\n", "1:10", "version 2 is not known"),
        ("version: 1\nproject: My Data\n", "2:10", '"My Data" cannot be a name'),
        ("version: 1\nproject: a--b\n", "2:10", '"a--b" cannot be a name'),
        (f"version: 1\nproject: {'a' * 41}\n", "2:10", "cannot be a name"),
        (HEAD + "conections: {}\n", "3:1", 'unknown key "conections"'),
        (HEAD + "- x\n", "3:1", "this is not YAML"),
        (HEAD + "connections: [a]\n", "3:14", "here stands list"),
        (
            HEAD + "connections:\n  a: {path: x}\n",
            "4:6",
            'connection has no "system"',
        ),
        (
            HEAD + "connections:\n  a: {system: orcale}\n",
            "4:15",
            '"orcale" is not allowed here',
        ),
        (
            HEAD + "connections:\n  a: {system: ldif, pth: x}\n",
            "4:21",
            'unknown key "pth" in a connection to ldif',
        ),
        (
            HEAD + "connections:\n  a: {system: ldif, path: x, file_path: y}\n",
            "4:30",
            '"file_path" and another key both mean "path"',
        ),
        (
            HEAD + "connections:\n  a: {system: oracle, port: many}\n",
            "4:29",
            'here stands text "many", and a whole number is needed',
        ),
        (
            HEAD + "connections:\n  a: {system: ldap, start_tls: yes}\n",
            "4:32",
            "true or false is needed",
        ),
        (
            HEAD + "connections:\n  a: {system: oracle, password: hunter2}\n",
            "4:33",
            '"password" holds a secret as plain text',
        ),
        (
            HEAD + 'connections:\n  a: {system: oracle, password: "$P"}\n',
            "4:33",
            '"password" holds a secret as plain text',
        ),
        (
            HEAD + 'connections:\n  a: {system: oracle, password: "x${P}"}\n',
            "4:33",
            '"password" holds a secret as plain text',
        ),
        (
            HEAD + "connections:\n  a: {system: oracle, host: a$b}\n",
            "4:29",
            "holds a `$` that is not a ${NAME}",
        ),
        (
            HEAD + 'connections:\n  a: {system: oracle, host: "a\\u0007b"}\n',
            "4:29",
            "invisible character U+0007",
        ),
        (
            HEAD + 'connections:\n  a: {system: oracle, host: "{{ x }}"}\n',
            "4:29",
            "holds a template expression",
        ),
        (
            HEAD + "connections:\n  warehouse: {system: ldif}\n",
            "4:3",
            'a connection cannot be called "warehouse"',
        ),
        (
            HEAD + 'connections:\n  "{{ t }}": {system: ldif, foreach: {t: [a, a]}}\n',
            "4:3",
            'a second connection is called "a"',
        ),
        (HEAD + "warehouse: {system: mysql}\n", "3:21", '"mysql" is not allowed'),
        (
            HEAD + "warehouse: {system: postgres, host: h}\n",
            "3:12",
            'a postgres warehouse needs "database"',
        ),
        (
            HEAD + "warehouse: {system: duckdb, host: h}\n",
            "3:29",
            'a duckdb warehouse has no "host"',
        ),
        (HEAD + "outputs: [meltano, helm]\n", "3:20", '"helm" is not allowed here'),
        (HEAD + "outputs: [airflow]\n", "3:10", "DuckDB lets one process open"),
        (HEAD + "outputs: [kubernetes]\n", "3:10", "DuckDB lets one process open"),
        (HEAD + "environments: [Dev]\n", "3:16", '"Dev" cannot be a name'),
        (
            HEAD + "environments: [a]\ndefault_environment: b\n",
            "4:22",
            '"b" is not allowed here',
        ),
        (
            HEAD + "events: {store: 'postgresql://u:hunter2@h/d'}\n",
            "3:17",
            "holds a password inside an address",
        ),
        (
            HEAD + "events: {handlers: [{webhook: h, token: abc}]}\n",
            "3:41",
            '"token" holds a secret as plain text',
        ),
        (
            HEAD + "state_backend: 's3://k:hunter2@b'\n",
            "3:16",
            "holds a password inside an address",
        ),
        (HEAD + "defaults: {max_retry: 3}\n", "3:12", "no plugin has a setting"),
        (HEAD + "pipelines: [{name: p}]\n", "3:13", 'pipeline has no "steps"'),
    ],
)  # fmt: skip
def test_a_mistake_in_ecosystem_yaml_is_found_where_it_stands(
    write, errors, text, place, what
):
    found = errors(write(ecosystem=text))
    assert any(
        line.startswith(f"ecosystem.yaml:{place}: ") and what in line for line in found
    ), found


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (pipeline(EXTRACT, name="Bad"), "2:9", '"Bad" cannot be a name'),
        (pipeline(EXTRACT, name="dbt"), "2:9", "already the name of something else"),
        ("pipeline: {name: p, steps: []}\n", "1:28", "the pipeline has no steps"),
        (
            "pipeline: {name: p, schedule: hourly, steps: []}\n",
            "1:31",
            '"hourly" is not a schedule',
        ),
        (
            "pipeline: {name: p, schedule: '61 * * * *', steps: []}\n",
            "1:31",
            "is not a schedule",
        ),
        (
            pipeline("{name: e, service: flext-tap-ldpa}"),
            "4:26",
            'no plugin is called "flext-tap-ldpa"',
        ),
        (
            pipeline("{name: e, service: flext-tap-warehouse}"),
            "4:26",
            'no plugin is called "flext-tap-warehouse"',
        ),
        (
            pipeline("{name: e, service: flext-tap-ldif, after: [x]}"),
            "4:42",
            'unknown key "after" in step',
        ),
        (pipeline(EXTRACT, EXTRACT), "5:14", 'a second step is called "e"'),
        (
            pipeline("{name: e, service: flext-tap-ldif}"),
            "4:14",
            'step "e" names no connection',
        ),
        (
            pipeline("{name: e, service: flext-tap-ldif, config: {connection: file}}"),
            "4:63",
            'no connection is called "file"',
        ),
        (
            pipeline("{name: e, service: flext-tap-ldap, config: {connection: files}}"),
            "4:63",
            'flext-tap-ldap cannot use connection "files", which is ldif',
        ),
        (
            pipeline(EXTRACT[:-2] + ", max_error: 1}}"),
            "4:70",
            'flext-tap-ldif has no setting "max_error"',
        ),
        (
            pipeline(EXTRACT[:-2] + ", parallel_jobs: 4}}"),
            "4:85",
            "flext-tap-ldif cannot be split into parts",
        ),
        (
            pipeline(EXTRACT[:-2] + ", query: SELECT 1}}"),
            "4:77",
            "flext-tap-ldif reads no queries",
        ),
        (
            pipeline(EXTRACT[:-2] + ", streams: ['a b']}}"),
            "4:79",
            '"a b" cannot be the name of a stream',
        ),
        (
            pipeline("{name: t, service: flext-dbt-ldif, config: {model: a-b}}"),
            "4:58",
            '"a-b" cannot be the name of a model',
        ),
        (
            pipeline("{name: t, service: flext-dbt-ldif, config: {connection: f}}"),
            "4:51",
            'flext-dbt-ldif has no setting "connection"',
        ),
        (
            pipeline(EXTRACT, LOAD.replace("[e]", "[x]")),
            "5:14",
            'step "l" depends on "x", which is no step here',
        ),
        (
            pipeline(LOAD.replace("[e]", "[]")),
            "4:14",
            'step "l" has nothing to load',
        ),
        (
            pipeline(
                "{name: a, service: flext-dbt-ldif, depends_on: [b]}",
                "{name: b, service: flext-dbt-ldif, depends_on: [a]}",
            ),
            "4:14",
            "the steps wait for each other: a → b → a",
        ),
        (
            pipeline(
                EXTRACT,
                "{name: t, service: flext-dbt-ldif, depends_on: [e]}",
                LOAD.replace("[e]", "[t]"),
            ),
            "6:14",
            'step "l" does not say which model of "t" it loads',
        ),
        ("foreach: {t: []}\n" + pipeline(EXTRACT), "1:10", "foreach gives nothing"),
        (
            "foreach: {t: [a]}\n" + pipeline(EXTRACT, name="'p-{{ u }}'"),
            "3:9",
            'foreach gives no "u"',
        ),
        (
            "foreach: [{t: a}, {u: b}]\n" + pipeline(EXTRACT),
            "1:19",
            "this entry gives u and the first one t",
        ),
        ("connections: {}\n" + pipeline(EXTRACT), "1:1", "stands in a file of"),
    ],
)
def test_a_mistake_in_a_pipeline_is_found_where_it_stands(
    write, errors, text, place, what
):
    found = errors(write(ecosystem=LDIF, pipelines__p=text))
    assert any(
        line.startswith(f"pipelines/p.yaml:{place}: ") and what in line
        for line in found
    ), found


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("conections: {}\n", "1:1", 'unknown key "conections" in overlay'),
        ("project: x\n", "1:1", 'unknown key "project" in overlay'),
        (
            "connections: {files: {system: ldap}}\n",
            "1:31",
            'connection "files" is ldif in ecosystem.yaml and ldap here',
        ),
        ("connections: {files: {pth: x}}\n", "1:23", 'unknown key "pth"'),
        ("pipelines: {q: {}}\n", "1:13", 'no pipeline is called "q"'),
        ("pipelines: {p: {x: {}}}\n", "1:17", 'pipeline "p" has no step "x"'),
        (
            "pipelines: {p: {e: {connection: files}}}\n",
            "1:21",
            'an environment cannot change "connection"',
        ),
        ("warehouse: {password: x}\n", "1:13", "a duckdb warehouse has no"),
        (
            (
                "warehouse: {system: oracle, host: h, service_name: s, username: u, "
                'password: "${P}"}\n'
            ),
            "1:12",
            "Oracle is reached by other plugins",
        ),
        ("warehouse: {schema: other}\n", "1:12", 'in schema "analytics" in'),
    ],
)
def test_a_mistake_in_an_overlay_is_found_where_it_stands(
    write, errors, text, place, what
):
    root = write(
        ecosystem=LDIF + "environments: [dev]\n",
        pipelines__p=pipeline(EXTRACT),
        config__dev=text,
    )
    found = errors(root)
    assert any(
        line.startswith(f"config/dev.yaml:{place}: ") and what in line for line in found
    ), found


def test_all_problems_of_all_files_come_in_one_run(write, errors):
    root = write(
        ecosystem=LDIF + "environments: [dev]\nbad: 1\n",
        pipelines__p=pipeline(EXTRACT.replace("ldif", "ldpa")),
        config__dev="worse: 1\n",
    )
    assert [line.split(": ")[0] for line in errors(root)] == [
        "config/dev.yaml:1:1",
        "ecosystem.yaml:6:1",
        "pipelines/p.yaml:4:26",
    ]


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (HEAD + "conections: {}\n", 'did you mean "connections"?'),
        (LDIF.replace("path: in", "pth: in"), 'did you mean "path"?'),
        (LDIF.replace("system: ldif", "system: ldfi"), 'did you mean "ldif"?'),
    ],
)
def test_a_misspelt_word_gets_the_nearest_one(write, fixes, text, fix):
    assert any(fix in found for found in fixes(write(ecosystem=text)))


def test_the_fix_for_a_literal_secret_names_a_variable(write, fixes):
    root = write(ecosystem=ORACLE.replace('"${P}"', "hunter2"))
    (fix,) = fixes(root)
    assert "${PASSWORD}" in fix
    assert "hunter2" not in fix


def test_a_secret_is_never_repeated_in_a_message(write):
    root = write(
        ecosystem=HEAD
        + "connections:\n  a: {system: oracle, password: [hunter2]}\n"
        + "  b: {system: oracle, password: hunter2}\n"
        + "events: {store: 'postgresql://u:hunter2@h/d', "
        + "handlers: [{type: webhook, url: h, secret: hunter2}]}\n"
    )
    with pytest.raises(InvalidEcosystemError) as caught:
        load_ecosystem(root)
    assert len(caught.value.problems) == 4
    for problem in caught.value.problems:
        assert "hunter2" not in str(problem)


def test_a_secret_store_reference_becomes_a_variable_of_the_connection(write):
    text = ORACLE.replace('"${P}"', "secret://vault/oracle#password")
    connection = load_ecosystem(write(ecosystem=text)).connections["db"]
    assert connection.settings["password"] == "${DB_PASSWORD}"
    assert connection.secrets == {"DB_PASSWORD": "secret://vault/oracle#password"}


def test_aliases_of_settings_become_the_settings_own_names(write):
    text = HEAD + "connections: {files: {system: ldif, file_path: a.ldif}}\n"
    settings = load_ecosystem(write(ecosystem=text)).connections["files"].settings
    assert settings == {"path": "a.ldif"}


def test_an_overlay_merges_over_a_connection_and_keeps_the_rest(write):
    root = write(
        ecosystem=ORACLE + "environments: [dev, prod]\n",
        config__prod="connections: {db: {host: prod}}\n",
    )
    ecosystem = load_ecosystem(root)
    prod = ecosystem.environments[1].connections["db"].settings
    assert prod == {**ecosystem.connections["db"].settings, "host": "prod"}
    assert not ecosystem.environments[0].connections


def test_an_overlay_may_name_another_warehouse(write):
    root = write(
        ecosystem=HEAD + "warehouse: {system: duckdb, path: x}\n",
        config__prod="warehouse: {system: postgres, host: h, database: d, "
        'username: u, password: "${P}"}\n',
    )
    (prod,) = load_ecosystem(root).environments
    assert prod.warehouse.system == "postgres"
    assert "path" not in prod.warehouse.settings


def test_a_connection_of_one_environment_must_exist_in_the_others(write, errors):
    root = write(
        ecosystem=HEAD + "environments: [dev, prod]\n",
        pipelines__p=pipeline(EXTRACT),
        config__dev="connections: {files: {system: ldif, path: a}}\n",
    )
    assert errors(root) == [
        (
            'config/dev.yaml:1:15: connection "files" in prod is incomplete for '
            "flext-tap-ldif"
        )
    ]


def test_a_file_for_an_unknown_environment_is_a_warning(write):
    root = write(ecosystem=HEAD + "environments: [dev]\n", config__prd="{}\n")
    (remark,) = load_ecosystem(root).remarks
    assert remark.severity == "warning"
    assert 'no environment is called "prd"' in remark.what


def test_foreach_stamps_out_pipelines_and_connections(write):
    root = write(
        ecosystem=HEAD + "connections:\n  'files-{{ t }}':\n"
        "    {system: ldif, foreach: {t: [a, b]}, path: 'in/{{ t }}.ldif'}\n",
        pipelines__p="foreach: {t: [a, b]}\n"
        + pipeline(EXTRACT.replace("files", "'files-{{ t }}'"), name="'p-{{ t }}'"),
    )
    ecosystem = load_ecosystem(root)
    assert list(ecosystem.connections) == ["files-a", "files-b"]
    assert [p.name for p in ecosystem.pipelines] == ["p-a", "p-b"]
    assert ecosystem.pipelines[1].steps[0].connection == "files-b"


def test_stamped_values_are_checked_like_written_ones(write, errors):
    root = write(
        ecosystem=LDIF,
        pipelines__p="foreach: {t: ['$x', ok]}\n"
        + pipeline(EXTRACT, name="'p-{{ t }}'"),
    )
    assert any("pipelines/p.yaml:1:15" in line for line in errors(root))


def test_a_foreach_that_explodes_is_refused(write, errors):
    many = ", ".join(map(str, range(200)))
    root = write(
        ecosystem=LDIF,
        pipelines__p=f"foreach: {{a: [{many}], b: [{many}]}}\n" + pipeline(EXTRACT),
    )
    assert "foreach makes 40,000 of these" in errors(root)[0]


def test_a_folder_without_an_ecosystem_says_what_to_do(tmp_path):
    with pytest.raises(FlexCoreError) as caught:
        load_ecosystem(tmp_path)
    assert "flexcore-gen init" in caught.value.fix


def test_a_pipeline_file_inside_an_ecosystem_is_checked_with_all_of_it(write):
    root = write(ecosystem=LDIF, pipelines__p=pipeline(EXTRACT))
    ecosystem = load_ecosystem(root / "pipelines/p.yaml")
    assert ecosystem.project == "demo"
    assert not ecosystem.remarks
