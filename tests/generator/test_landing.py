"""Steps become tasks by four rules, for all ten plugins, under stable names."""

import itertools

import pytest

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.known_plugins import known_plugins
from flexcore_gen.model_clashes import _model_group
from flexcore_gen.plan import plan_project
from flexcore_gen.tasks import MAX_PLUGIN_NAME, plugin_name

CONNECTIONS = """\
version: 1
project: demo
connections:
  ldif: {system: ldif, path: in.ldif, output_path: out.ldif}
  ldap: {system: ldap, url: "ldaps://h", bind_dn: cn=a, password: "${P}"}
  oracle: {system: oracle, host: h, service_name: s, username: u, password: "${P}"}
  oracle-oic: {system: oracle-oic, base_url: "https://o", integration_instance: i,
    oauth_client_id: i, oauth_client_secret: "${P}", oauth_token_url: "https://t"}
  oracle-wms: {system: oracle-wms, base_url: "https://w", username: u,
    password: "${P}"}
"""
SYSTEMS = ("ldif", "ldap", "oracle", "oracle-oic", "oracle-wms")
#: What makes the streams of a tap known before it runs.
STREAMS = {
    "ldif": "",
    "ldap": "",
    "oracle": ", query: SELECT 1",
    "oracle-oic": ", streams: [integrations]",
    "oracle-wms": ", entities: [item]",
}


def tap(name="extract", system="ldif", extra=""):
    return (
        f"{{name: {name}, service: flext-tap-{system}, "
        f"config: {{connection: {system}{extra}}}}}"
    )


def transform(name="model", after="extract", extra="model: m", system="ldif"):
    return (
        f"{{name: {name}, service: flext-dbt-{system}, depends_on: [{after}], "
        f"config: {{{extra}}}}}"
    )


def load(name="load", system="ldif", after="extract", extra=""):
    return (
        f"{{name: {name}, service: flext-target-{system}, depends_on: [{after}], "
        f"config: {{connection: {system}{extra}}}}}"
    )


@pytest.fixture
def tasks(project):
    """The tasks of one pipeline `p` with these steps."""

    def tasks(*steps, head=CONNECTIONS):
        text = "pipeline:\n  name: p\n  steps:\n" + "".join(
            f"    - {step}\n" for step in steps
        )
        (plan,) = project(ecosystem=head, pipelines__p=text).pipelines
        return plan.tasks

    return tasks


@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(SYSTEMS, SYSTEMS))
)
def test_an_extract_with_one_load_goes_straight(tasks, source, target):
    (task,) = tasks(tap(system=source), load(system=target))
    assert task.kind == "direct"
    assert task.blocks == (
        f"flext-tap-{source}--p--extract flext-target-{target}--p--load"
    )


@pytest.mark.parametrize("source", SYSTEMS)
def test_an_extract_before_a_transform_lands(tasks, source):
    land, build = tasks(tap(system=source), transform())
    assert land.kind == "land"
    assert land.target.name == "flext-target-warehouse--p--extract"
    assert land.target.generated["schema"] == f"raw_{source.replace('-', '_')}"
    assert build.kind == "build"
    assert build.needs == ("extract",)


@pytest.mark.parametrize("target", SYSTEMS)
def test_a_load_after_a_transform_reads_the_model_back(tasks, target):
    extra = ", load_method: overwrite" if target == "oracle" else ""
    *_, read = tasks(
        tap(), transform(), load(system=target, after="model", extra=extra)
    )
    assert read.kind == "load"
    assert read.tap.name == "flext-tap-warehouse--p--load"
    assert read.tap.generated["schema"] == "analytics"
    assert read.tap.generated["tables"] == ["m"]
    assert read.target.name == f"flext-target-{target}--p--load"


@pytest.mark.parametrize("source", SYSTEMS)
def test_an_extract_with_several_loads_lands_once_and_fans_out(tasks, source):
    land, *loads = tasks(
        tap(system=source, extra=STREAMS[source]),
        load("one"),
        load("two", system="ldap"),
    )
    assert land.kind == "land"
    assert [task.kind for task in loads] == ["load", "load"]
    assert all(task.needs == ("extract",) for task in loads)
    schema = f"raw_{source.replace('-', '_')}"
    assert all(task.tap.generated["schema"] == schema for task in loads)


def test_an_extract_alone_lands(tasks):
    (task,) = tasks(tap())
    assert task.kind == "land"


def test_a_load_of_two_extracts_reads_both_back_in_one_task(tasks):
    """Two direct tasks into one file would leave only the second one's records."""
    first, second, read = tasks(
        tap("a"), tap("b", system="ldap"), load(after="a, b", system="ldif")
    )
    assert first.kind == second.kind == "land"
    assert read.needs == ("a", "b")
    tables = [(item["schema"], item["table"]) for item in read.tap.generated["tables"]]
    assert ("raw_ldif", "ldif_entries") in tables
    assert ("raw_ldap", "users") in tables


def test_a_load_of_a_transform_and_an_extract_reads_both(tasks):
    *_, read = tasks(tap(), transform(), load(after="model, extract"))
    tables = [item["table"] for item in read.tap.generated["tables"]]
    assert tables[0] == "m"
    assert "ldif_entries" in tables


def test_waiting_for_another_load_is_not_reading_it(tasks):
    first, second = tasks(
        tap("a"), load("one", after="a"), tap("b"), load("two", after="b, one")
    )[:2]
    assert {first.kind, second.kind} == {"direct"}
    assert second.needs == ("one",)


def test_transforms_that_follow_each_other_are_one_build(tasks):
    *_, build = tasks(
        tap(),
        transform("one", extra="model: a"),
        transform("two", after="one", extra="model: b"),
    )
    assert build.steps == ("one", "two")
    assert build.command == "build-p"
    assert build.select == ("+a", "+b")


def test_a_transform_after_a_load_is_a_build_of_its_own(tasks):
    found = tasks(
        tap(),
        transform("one", extra="model: a"),
        load(after="one"),
        transform("two", after="load", extra="model: b"),
    )
    assert [task.command for task in found if task.kind == "build"] == [
        "build-p",
        "build-p--two",
    ]


def test_a_transform_without_models_builds_its_package(tasks):
    *_, build = tasks(tap(), transform(extra=""))
    assert build.select == ("package:flext_dbt_ldif",)
    assert build.variables == {"ldif_schema": "raw_ldif"}


def test_a_package_reads_the_one_connection_that_landed_for_it(tasks):
    *_, build = tasks(
        tap(system="oracle"), transform(extra="model: m", system="oracle-wms")
    )
    assert build.variables == {"oracle_wms_schema": "raw_oracle"}


def test_variables_of_a_step_win_over_those_of_the_rules(tasks):
    *_, build = tasks(tap(), transform(extra="vars: {ldif_schema: mine, n: 1}"))
    assert build.variables == {"ldif_schema": "mine", "n": 1}


@pytest.mark.parametrize("target", ["oracle", "oracle-wms", "ldap"])
def test_a_split_extract_is_one_plugin_pair_per_part(tasks, target):
    found = tasks(tap(system="oracle", extra=", parallel_jobs: 3"), load(system=target))
    assert [task.blocks for task in found] == [
        f"flext-tap-oracle--p--extract--p{n} flext-target-{target}--p--load--p{n}"
        for n in (1, 2, 3)
    ]
    partitions = [task.tap.generated["partition"] for task in found]
    assert partitions == ["1/3", "2/3", "3/3"]


def test_a_split_extract_into_a_file_lands_first(tasks):
    """Its parts would overwrite each other's file."""
    *lands, read = tasks(
        tap(system="oracle", extra=", parallel_jobs: 2, query: SELECT 1"), load()
    )
    assert [task.kind for task in lands] == ["land", "land"]
    assert read.kind == "load"
    assert read.needs == ("extract--p1", "extract--p2")


def test_parts_may_be_asked_for_as_a_partition(tasks):
    found = tasks(tap(system="oracle", extra=", partition: {count: 2}"))
    assert found[1].tap.generated["partition"] == "2/2"


def test_one_part_is_no_part(tasks):
    (task,) = tasks(tap(system="oracle", extra=", parallel_jobs: 1"))
    assert task.tap.name == "flext-tap-oracle--p--extract"


def test_streams_of_a_step_are_selected(tasks):
    (task,) = tasks(tap(extra=", streams: [ldif_entries]"))
    assert task.tap.select == ("ldif_entries.*",)


def test_the_replication_of_a_step_becomes_metadata(tasks):
    extra = ", replication_method: INCREMENTAL, replication_key: id, streams: [a, B]"
    (task,) = tasks(tap(system="oracle-wms", extra=extra))
    entry = {"replication-method": "INCREMENTAL", "replication-key": "id"}
    assert task.tap.metadata == {"a": entry, "B": entry}


def test_names_in_oracle_s_case_are_spelled_as_its_tap_spells_them(tasks):
    extra = (
        ", replication_method: INCREMENTAL, replication_key: UPDATED_AT"
        ", streams: [SALES-ORDERS, SALES-Odd], select: [SALES-ORDERS.*, '!*.SECRET']"
    )
    (task,) = tasks(tap(system="oracle", extra=extra))
    entry = {"replication-method": "INCREMENTAL", "replication-key": "updated_at"}
    assert task.tap.metadata == {"sales-orders": entry, "SALES-Odd": entry}
    assert task.tap.select == ("sales-orders.*", "!*.secret")


def test_a_load_may_rename_what_it_reads(tasks):
    *_, read = tasks(
        tap(),
        transform(),
        load(after="model", extra=", stream: customer, fields: {id: customer_id}"),
    )
    assert read.tap.generated["tables"] == [
        {"table": "m", "stream": "customer", "fields": {"id": "customer_id"}}
    ]


def test_a_load_that_renames_cannot_go_straight(tasks):
    land, read = tasks(tap(), load(extra=", stream: people, models: [ldif_entries]"))
    assert land.kind == "land"
    assert read.tap.generated["tables"] == [
        {"table": "ldif_entries", "stream": "people"}
    ]


ORACLE_WAREHOUSE = CONNECTIONS + (
    "warehouse: {system: oracle, host: h, service_name: s, username: u, "
    'password: "${P}"}\n'
)


def test_an_oracle_warehouse_is_reached_by_the_oracle_plugins(tasks):
    head = ORACLE_WAREHOUSE
    land, _, read = tasks(tap(), transform(), load(after="model"), head=head)
    assert land.target.name == "flext-target-oracle--p--extract"
    assert land.target.generated == {"default_target_schema": "raw_ldif"}
    assert read.tap.generated["tables_filter"] == ["m"]


def test_the_tasks_of_a_pipeline_do_not_depend_on_the_order_of_its_steps(tasks):
    steps = [tap(), transform(), load("one", after="model"), load("two", after="model")]
    expected = {task.name: task for task in tasks(*steps)}
    for order in itertools.permutations(steps):
        found = tasks(*order)
        assert {task.name: task for task in found} == expected
        place = {task.name: n for n, task in enumerate(found)}
        assert all(place[need] < place[t.name] for t in found for need in t.needs)


def test_adding_a_pipeline_renames_nothing(write):
    def names():
        return {
            instance.name
            for plan in plan_project(load_ecosystem(root)).pipelines
            for instance in plan.instances
        }

    text = "pipeline:\n  name: {}\n  steps:\n    - {}\n"
    root = write(ecosystem=CONNECTIONS, pipelines__m=text.format("m", tap()))
    before = names()
    write(pipelines__a=text.format("a", tap()), pipelines__z=text.format("z", tap()))
    assert before < names()


def test_names_stay_short_and_different():
    long = "a" * 40
    names = {
        plugin_name("flext-target-warehouse", long, long, f"p{n}") for n in range(64)
    }
    names.add(plugin_name("flext-target-warehouse", long, "a" * 39))
    assert len(names) == 65
    assert max(map(len, names)) <= MAX_PLUGIN_NAME
    assert plugin_name("t", "p", "s") == "t--p--s"


def test_a_fan_out_of_unknown_streams_asks_for_their_names(write, errors):
    text = "pipeline:\n  name: p\n  steps:\n"
    steps = [tap(system="oracle"), load("a"), load("b")]
    root = write(
        ecosystem=CONNECTIONS,
        pipelines__p=text + "".join(f"    - {step}\n" for step in steps),
    )
    assert any("its streams are not known before it runs" in e for e in errors(root))


@pytest.mark.parametrize(
    ("model", "package"),
    [
        ("+met_wms__kpi_dashboard", "flext_dbt_oracle_wms"),
        ("+stg_wms__item", "flext_dbt_oracle_wms"),
        ("+customer_normalization", "flext_dbt_oracle"),
        ("+ldap__users", "flext_dbt_ldap"),
        ("package:flext_dbt_ldif", "flext_dbt_ldif"),
        ("+people", "people"),
    ],
)
def test_a_model_belongs_to_the_package_that_has_it(model, package):
    assert _model_group(model) == package


def test_two_pipelines_must_not_build_one_package_from_two_places(write):
    head = CONNECTIONS + "  other: {system: ldif, path: x, output_path: o}\n"
    text = "pipeline:\n  name: {}\n  steps:\n    - {}\n    - {}\n"
    other = tap().replace("connection: ldif", "connection: other")
    root = write(
        ecosystem=head,
        pipelines__a=text.format("a", tap(), transform(extra="")),
        pipelines__b=text.format("b", other, transform(extra="model: ldif__entries")),
    )
    with pytest.raises(InvalidEcosystemError) as caught:
        plan_project(load_ecosystem(root))
    (problem,) = caught.value.problems
    assert "would overwrite each other" in problem.what
    write(
        pipelines__b=text.format(
            "b", other, transform(extra="model: ldif__entries, schema: analytics_b")
        )
    )
    plans = plan_project(load_ecosystem(root)).pipelines
    assert plans[1].tasks[1].variables["flexcore_schema"] == "analytics_b"


def test_all_ten_plugins_are_known():
    services = known_plugins().services
    for system in SYSTEMS:
        assert f"flext-tap-{system}" in services
        assert f"flext-target-{system}" in services


def test_an_oracle_warehouse_gives_a_load_other_names_and_keys_by_a_query(tasks):
    options = ", stream: customer, fields: {id: number}, key_properties: [number]"
    *_, read = tasks(
        tap(), transform(), load(after="model", extra=options), head=ORACLE_WAREHOUSE
    )
    assert read.tap.generated == {
        "queries": [
            {
                "name": "customer",
                "sql": 'SELECT "ID" AS "NUMBER" FROM "ANALYTICS"."M"',
                "key_properties": ["number"],
            }
        ]
    }


def upsert_of_a_model(extra=""):
    return tap(), transform(), load(system="oracle", after="model", extra=extra)


def test_the_keys_of_a_load_are_those_of_the_stream_that_it_receives(tasks):
    *_, read = tasks(*upsert_of_a_model(", key_properties: [id, day]"))
    assert read.tap.generated["tables"] == [
        {"table": "m", "key_properties": ["id", "day"]}
    ]
    assert "key_properties" not in read.target.settings


@pytest.mark.parametrize("extra", ["", ", load_method: upsert"])
def test_a_model_that_is_merged_without_a_key_is_an_error(tasks, extra):
    with pytest.raises(InvalidEcosystemError) as error:
        tasks(*upsert_of_a_model(extra))
    (problem,) = error.value.problems
    assert 'step "load" merges a model by its key' in problem.what
    assert "key_properties: [...]" in problem.fix
    assert problem.mark.line > 1


@pytest.mark.parametrize("method", ["overwrite", "append-only"])
def test_a_model_that_is_not_merged_needs_no_key(tasks, method):
    assert tasks(*upsert_of_a_model(f", load_method: {method}"))


def test_a_key_that_is_no_field_is_an_error(tasks):
    with pytest.raises(InvalidEcosystemError) as error:
        tasks(*upsert_of_a_model(", fields: {id: number}, key_properties: [id]"))
    (problem,) = error.value.problems
    assert problem.what == 'key "id" of step "load" is none of its fields'
    assert "number" in problem.fix


def test_an_environment_that_merges_needs_the_key_too(project):
    text = "pipeline:\n  name: p\n  steps:\n" + "".join(
        f"    - {step}\n" for step in upsert_of_a_model(", load_method: overwrite")
    )
    with pytest.raises(InvalidEcosystemError) as error:
        project(
            ecosystem=CONNECTIONS + "environments: [development, staging]\n",
            pipelines__p=text,
            config__staging="pipelines: {p: {load: {load_method: upsert}}}\n",
        )
    (problem,) = error.value.problems
    assert "merges a model by its key, in staging" in problem.what


def test_keys_beside_a_query_are_the_query_s(tasks):
    extra = ", query: SELECT 1, key_properties: [ID], replication_key: UPDATED_AT"
    (task,) = tasks(tap(system="oracle", extra=extra))
    assert task.tap.settings == {
        "queries": [
            {
                "name": "extract",
                "sql": "SELECT 1",
                "key_properties": ["ID"],
                "replication_key": "updated_at",
            }
        ]
    }


@pytest.mark.parametrize(
    ("word", "meant"), [("INSERT", "append-only"), ("truncate", "overwrite")]
)
def test_other_tools_words_for_an_option_are_translated(tasks, word, meant):
    *_, read = tasks(*upsert_of_a_model(f", load_method: {word}"))
    assert read.target.settings["load_method"] == meant


@pytest.mark.parametrize(
    ("text", "key"), [("item", "*"), ("{'*': item}", "*"), ("{m: item}", "m")]
)
def test_the_entity_of_a_load_may_be_one_word(tasks, text, key):
    extra = f", entity: {text}"
    *_, read = tasks(
        tap(), transform(), load(system="oracle-wms", after="model", extra=extra)
    )
    assert read.target.settings["entity"] == {key: "item"}


def test_a_mapping_that_is_no_word_s_is_still_needed(tasks):
    extra = ", field_mapping: item"
    with pytest.raises(InvalidEcosystemError) as error:
        tasks(tap(), load(system="oracle-wms", extra=extra))
    assert "a mapping is needed" in error.value.problems[0].what
