"""Staging models from a catalog: files of a person's, names of a stranger's."""

import json

import pytest
import yaml

from flexcore_gen.cli import main
from flexcore_gen.dbt_models import read_catalog


def stream(name="hr-staff", keys=("id",), /, *, schema="HR", metadata=(), **properties):
    properties = properties or {"id": {"type": ["integer"]}}
    return {
        "tap_stream_id": name,
        "stream": name,
        "key_properties": list(keys),
        "schema": {"type": "object", "properties": properties},
        "metadata": [
            {"breadcrumb": [], "metadata": {"schema-name": schema}},
            *metadata,
        ],
    }


@pytest.fixture
def catalog(tmp_path):
    def write(*streams):
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps({"streams": streams}))
        return path

    return write


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, ("dbt-models", *arguments))])
    return ended.value.code, capsys.readouterr()


def test_a_catalog_gives_sources_and_a_model_per_stream(catalog, tmp_path, capsys):
    path = catalog(stream(), stream("hr-jobs"), stream("crm-staff", schema="CRM"))

    code, said = run(capsys, path, "--out", tmp_path / "models/staging")

    assert code == 0
    assert said.out.splitlines()[-1] == "8 create"
    assert sorted(p.name for p in (tmp_path / "models/staging").iterdir()) == [
        "_crm__sources.yml",
        "_hr__sources.yml",
        "stg_crm__staff.sql",
        "stg_crm__staff.yml",
        "stg_hr__jobs.sql",
        "stg_hr__jobs.yml",
        "stg_hr__staff.sql",
        "stg_hr__staff.yml",
    ]


def test_a_file_that_was_changed_is_kept(catalog, tmp_path, capsys):
    path = catalog(stream())
    run(capsys, path, "--out", tmp_path / "out")
    model = tmp_path / "out/stg_hr__staff.sql"
    model.write_text("select 1 as mine\n")

    code, said = run(capsys, path, "--out", tmp_path / "out", "--json")

    assert code == 0
    assert model.read_text() == "select 1 as mine\n"
    kinds = {c["path"]: c["kind"] for c in json.loads(said.out)["changes"]}
    assert kinds == {
        "_hr__sources.yml": "same",
        "stg_hr__staff.sql": "keep",
        "stg_hr__staff.yml": "same",
    }


def test_the_schema_is_a_variable_unless_it_is_given(catalog, tmp_path, capsys):
    path = catalog(stream())
    run(capsys, path, "--out", tmp_path / "a")
    run(capsys, path, "--out", tmp_path / "b", "--schema", "raw_crm")

    [by_variable, given] = (
        yaml.safe_load((tmp_path / folder / "_hr__sources.yml").read_text())["sources"]
        for folder in "ab"
    )
    assert by_variable[0]["schema"] == "{{ var('oracle_schema', 'raw_oracle') }}"
    assert given[0]["schema"] == "raw_crm"


def test_what_was_not_selected_or_cannot_be_read_is_left_out(catalog):
    def about(column, **metadata):
        return {"breadcrumb": ["properties", column], "metadata": metadata}

    text = {"type": ["null", "string"]}
    [staged] = read_catalog(
        catalog(
            stream(
                metadata=[
                    about("id", selected=False),
                    about("geo", inclusion="unsupported"),
                    about("note", selected=False),
                ],
                id={"type": ["integer"]},
                geo=text,
                note=text,
                name=text,
            ),
            {
                **stream("hr-left"),
                "metadata": [{"breadcrumb": [], "metadata": {"selected": False}}],
            },
        )
    )

    assert [column.name for column in staged.columns] == ["id", "name"]
    assert staged.keys == ("id",)


def test_names_that_meet_are_told_apart_and_long_ones_are_cut(catalog):
    text = {"type": ["null", "string"]}
    [first, second, long] = read_catalog(
        catalog(
            stream("hr-A-b", ("Name",), Name=text, name=text, extracted_at=text),
            stream("hr-a_b"),
            stream("hr-" + "x" * 128),
        )
    )

    assert (first.model, second.model) == ("stg_hr__a_b", "stg_hr__a_b_2")
    assert [c.name for c in first.columns] == ["name", "name_2", "extracted_at_2"]
    assert first.keys == ("name",)
    assert len(long.model) == 60


@pytest.mark.parametrize(
    ("kind", "macro"),
    [
        ({"type": ["null", "integer"], "maximum": 999}, "as_count(X)"),
        ({"type": "integer", "maximum": 10**20}, "as_decimal(X, 38, 0)"),
        ({"type": "number", "x-sql-datatype": "NUMBER(8,2)"}, "as_decimal(X, 8, 2)"),
        ({"type": "number", "x-sql-datatype": "NUMBER"}, "X"),
        ({"type": "number", "x-sql-datatype": "NUMBER(3,5)"}, "X"),
        ({"type": ["null", "number", "string"]}, "as_double(X)"),
        ({"type": ["null", "string"], "format": "date-time"}, "as_time(X)"),
        ({"type": ["null", "string"], "format": "duration"}, "as_text(X)"),
        ({"type": ["null", "boolean"]}, "as_flag(X)"),
        ({"type": ["null", "object", "array", "string"]}, "as_json(X)"),
    ],
)
def test_a_column_is_cast_where_a_cast_loses_nothing(catalog, kind, macro):
    [staged] = read_catalog(catalog(stream("hr-staff", (), a=kind)))

    package = "flext_dbt_oracle."
    landed = f"{package}landed_name('a')"
    expected = macro.replace("X", landed)
    if macro != "X":
        expected = package + expected
    assert staged.columns[0].expression == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("not json", "is not JSON"),
        ('{"tables": []}', "is no Singer catalog: 'streams'"),
        ("[]", "is no Singer catalog"),
        ('{"streams": []}', "selects no stream"),
    ],
)
def test_what_is_no_catalog_is_an_error_of_three_lines(tmp_path, capsys, text, what):
    path = tmp_path / "catalog.json"
    path.write_text(text)

    code, said = run(capsys, path, "--out", tmp_path / "out")

    assert code == 2
    assert what in said.err
    assert said.err.count("\n") == 3
    assert not (tmp_path / "out").exists()


def test_a_missing_catalog_is_an_error_that_says_how_to_make_one(tmp_path, capsys):
    code, said = run(capsys, tmp_path / "none.json", "--out", tmp_path / "out")

    assert code == 2
    assert "No such file" in said.err
    assert "--discover" in said.err
