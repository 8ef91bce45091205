import datetime as dt
import decimal

import pytest
import sqlalchemy as sa
from singer_sdk.sql import SQLConnector
from sqlalchemy.dialects import oracle

pytestmark = pytest.mark.servers


@pytest.fixture
def engine(server, conn):  # noqa: ARG001 - an empty schema
    host, rest = server.split(":")
    port, svc = rest.split("/")
    e = sa.create_engine(
        f"oracle+oracledb://app:secret@{host}:{port}/?service_name={svc}"
    )
    yield e
    e.dispose()


def test_reflection(engine):
    md = sa.MetaData()
    p = sa.Table(
        "parent",
        md,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(20), unique=True),
    )
    t = sa.Table(
        "child",
        md,
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("pid", sa.Integer, sa.ForeignKey("parent.id")),
        sa.Column(
            "name", sa.String(30), nullable=False, index=True, comment="the name"
        ),
        sa.Column("amt", sa.Numeric(20, 4)),
        sa.Column("f", oracle.BINARY_DOUBLE),
        sa.Column("d", oracle.DATE),
        sa.Column("ts", sa.TIMESTAMP),
        sa.Column("tz", sa.TIMESTAMP(timezone=True)),
        sa.Column("txt", sa.Text),
        sa.Column("raw", oracle.RAW(16)),
        sa.Column("num", oracle.NUMBER),
        sa.Column("MixedCase", sa.String(10)),
        sa.CheckConstraint("amt > 0", name="ck_amt"),
    )
    md.create_all(engine)
    i = sa.inspect(engine)
    assert set(i.get_table_names()) == {"parent", "child"}
    cols = {c["name"]: c for c in i.get_columns("child")}
    assert isinstance(cols["amt"]["type"], oracle.NUMBER | sa.Numeric)
    assert isinstance(cols["d"]["type"], oracle.DATE)
    assert isinstance(cols["tz"]["type"], oracle.TIMESTAMP)
    assert cols["tz"]["type"].timezone
    assert cols["name"]["nullable"] is False
    assert cols["name"]["comment"] == "the name"
    assert i.get_pk_constraint("child")["constrained_columns"] == ["id"]
    assert i.get_foreign_keys("child")[0]["referred_table"] == "parent"
    assert i.get_view_names() == []
    assert i.has_table("parent")
    assert not i.has_table("nope")
    with engine.begin() as c:
        c.execute(sa.text("create view vv as select id from child"))
    assert sa.inspect(engine).get_view_names() == ["vv"]
    assert "app" in i.get_schema_names()
    with engine.begin() as c:
        c.execute(p.insert(), [{"id": k, "code": f"c{k}"} for k in range(50)])
        r = c.execute(
            t.insert().values(
                pid=1,
                name="n",
                amt=decimal.Decimal("1.5"),
                d=dt.datetime(2024, 1, 1, 5),
                ts=dt.datetime(2024, 1, 1),
                txt="x" * 5000,
                raw=b"12",
            )
        )
        assert r.inserted_primary_key[0] == 1
        assert c.execute(sa.select(sa.func.count()).select_from(p)).scalar() == 50
        assert [
            x.id for x in c.execute(sa.select(p).order_by(p.c.id).limit(3).offset(2))
        ] == [2, 3, 4]
        row = c.execute(sa.select(t)).one()
        assert row.txt == "x" * 5000
        assert row.d.hour == 5
    md2 = sa.MetaData()
    md2.reflect(engine)
    assert set(md2.tables) == {"parent", "child"}
    md.drop_all(engine)


def test_singer_sdk_connector(engine):
    with engine.begin() as c:
        c.execute(
            sa.text(
                "create table orders (id number(10) primary key, name varchar2(20 char) not null, total number(12,2), updated_at timestamp(6), note clob)"
            )
        )
        c.execute(sa.text("insert into orders (id, name, total) values (1, 'a', 1.25)"))
    con = SQLConnector(
        {"sqlalchemy_url": engine.url.render_as_string(hide_password=False)}
    )
    entries = con.discover_catalog_entries(exclude_schemas=["sys"])
    mine = [e for e in entries if e["tap_stream_id"].endswith("orders")]
    assert mine
    assert mine[0]["key_properties"] == ["id"]
