import asyncio
import datetime as dt
import decimal

import oracledb
import pytest

pytestmark = pytest.mark.servers
D = decimal.Decimal


def test_dual(conn):
    assert conn.cursor().execute("select 1 from dual").fetchall() == [(1,)]


def test_wrong_password(server):
    with pytest.raises(oracledb.DatabaseError, match="ORA-01017"):
        oracledb.connect(user="app", password="nope", dsn=server)


def test_unknown_service(server):
    with pytest.raises(oracledb.DatabaseError, match="DPY-6001"):
        oracledb.connect(
            user="app", password="secret", dsn=server.replace("FREEPDB1", "NOPE")
        )


def test_types_and_batches(conn):
    cur = conn.cursor()
    cur.execute("""create table t (id number(10) primary key, name varchar2(50 char), nb varchar2(20), nn nvarchar2(20), amt number(38,10), anyn number,
      d date, ts timestamp(6), tz timestamp(6) with time zone, ltz timestamp(6) with local time zone, c clob, b blob, r raw(16), f binary_double, g binary_float,
      ids interval day to second)""")
    n = 2500
    rows = [
        (
            i,
            f"naïve-{i}" if i % 7 else None,
            "x" * (i % 20),
            "ñ",
            D(f"1234567890123456{i:04d}.1234567891"),
            1.5 * i,
            dt.datetime(2024, 1, 2, 3, 4, 5),
            dt.datetime(2024, 1, 2, 3, 4, 5, 123456),
            dt.datetime(2024, 1, 2, 3, 4, 5, 123456),
            dt.datetime(2024, 1, 2, 3, 4, 5),
            "c" * (i % 100),
            b"b" * (i % 50),
            b"\xca\xfe",
            float(i) / 3,
            0.5,
            dt.timedelta(days=1, seconds=i),
        )
        for i in range(n)
    ]
    cur.setinputsizes(
        None,
        None,
        None,
        oracledb.DB_TYPE_NVARCHAR,
        None,
        None,
        oracledb.DB_TYPE_DATE,
        oracledb.DB_TYPE_TIMESTAMP,
        oracledb.DB_TYPE_TIMESTAMP_TZ,
        oracledb.DB_TYPE_TIMESTAMP_LTZ,
        oracledb.DB_TYPE_LONG,
        oracledb.DB_TYPE_LONG_RAW,
        None,
        oracledb.DB_TYPE_BINARY_DOUBLE,
        oracledb.DB_TYPE_BINARY_FLOAT,
    )
    cur.executemany(
        "insert into t values (:1,:2,:3,:4,:5,:6,:7,:8,:9,:10,:11,:12,:13,:14,:15,:16)",
        rows,
    )
    assert cur.rowcount == n
    conn.commit()
    cur = conn.cursor()
    cur.arraysize = 300
    cur.prefetchrows = 2
    cur.execute("select * from t order by id")
    got = cur.fetchall()
    assert len(got) == n
    r = got[8]
    assert r[0] == 8
    assert r[1] == "naïve-8"
    assert r[3] == "ñ"
    assert r[6] == dt.datetime(2024, 1, 2, 3, 4, 5)
    assert r[7].microsecond == 123456
    assert r[10].read() == "c" * 8
    assert r[11].read() == b"b" * 8
    assert r[12] == b"\xca\xfe"
    assert r[13] == pytest.approx(8 / 3)
    assert r[15] == dt.timedelta(days=1, seconds=8)
    assert got[0][2] is None  # the empty string is null
    with DriverDefaults(fetch_lobs=False, fetch_decimals=True):
        cur = conn.cursor()
        cur.execute("select amt, c, b, d, name from t where id = :id", id=8)
        assert cur.fetchone() == (
            D("12345678901234560008.1234567891"),
            "c" * 8,
            b"b" * 8,
            dt.datetime(2024, 1, 2, 3, 4, 5),
            "naïve-8",
        )


class DriverDefaults:
    def __init__(self, **kw):
        self.kw = kw

    def __enter__(self):
        self.old = {k: getattr(oracledb.defaults, k) for k in self.kw}
        for k, v in self.kw.items():
            setattr(oracledb.defaults, k, v)

    def __exit__(self, *a):
        for k, v in self.old.items():
            setattr(oracledb.defaults, k, v)


def test_transactions(conn, server):
    cur = conn.cursor()
    cur.execute("create table tx (a number)")
    cur.execute("insert into tx values (1)")
    assert conn.transaction_in_progress
    with oracledb.connect(user="app", password="secret", dsn=server) as other:
        assert other.cursor().execute("select count(*) from tx").fetchone() == (0,)
    conn.rollback()
    assert cur.execute("select count(*) from tx").fetchone() == (0,)
    cur.execute("insert into tx values (1)")
    conn.commit()
    assert not conn.transaction_in_progress
    with oracledb.connect(user="app", password="secret", dsn=server) as other:
        assert other.cursor().execute("select count(*) from tx").fetchone() == (1,)


def test_errors(conn):
    cur = conn.cursor()
    cur.execute("create table e (a number(3) primary key, b varchar2(3) not null)")
    for sql, code in [
        ("select * from nope", 942),
        ("select nope from e", 904),
        ("insert into e values (1,'abcd')", 12899),
        ("insert into e values (1,null)", 1400),
        ("insert into e values (12345,'a')", 1438),
        ("selec 1", 900),
        ("create table e (a number)", 955),
        ("select 1/0 from dual", 1476),
        ("select to_number('x') from dual", 1722),
        ("create table " + "x" * 129 + " (a number)", 972),
    ]:
        with pytest.raises(oracledb.DatabaseError) as ei:
            cur.execute(sql)
        assert ei.value.args[0].code == code, (sql, ei.value)
    cur.execute("insert into e values (1,'a')")
    with pytest.raises(oracledb.IntegrityError) as ei:
        cur.execute("insert into e values (1,'a')")
    assert ei.value.args[0].full_code == "ORA-00001"


def test_batcherrors_and_rowcounts(conn):
    cur = conn.cursor()
    cur.execute("create table be (a number primary key, b varchar2(3))")
    data = [(1, "a"), (2, "toolong"), (3, "c"), (1, "dup"), (5, "e")]
    cur.executemany(
        "insert into be values (:1, :2)", data, batcherrors=True, arraydmlrowcounts=True
    )
    errs = cur.getbatcherrors()
    assert [(e.offset, e.code) for e in errs] == [(1, 12899), (3, 1)]
    assert cur.getarraydmlrowcounts() == [1, 0, 1, 0, 1]
    assert cur.execute("select count(*) from be").fetchone() == (3,)
    with pytest.raises(oracledb.DatabaseError):
        cur.executemany(
            "insert into be values (:1, :2)", [(10, "x"), (11, "toolong"), (12, "y")]
        )
    assert cur.execute("select count(*) from be").fetchone() == (4,)


def test_reexecute_many(conn):
    cur = conn.cursor()
    cur.execute("create table rx (a number, b varchar2(30))")
    for base in range(5):
        cur.executemany(
            "insert into rx values (:a, :b)",
            [{"a": base * 100 + i, "b": f"v{i}"} for i in range(100)],
        )
    for i in (5, 105, 405):
        assert cur.execute("select b from rx where a = :x", x=i).fetchall() == [("v5",)]
    assert cur.execute("select count(*), min(a), max(a) from rx").fetchone() == (
        500,
        0,
        499,
    )


def test_merge_returning_plsql(conn):
    cur = conn.cursor()
    cur.execute("create table m (id number primary key, v varchar2(20), n number)")
    cur.executemany(
        "merge into m t using (select :id id, :v v from dual) s on (t.id = s.id) when matched then update set t.v = s.v when not matched then insert (id, v) values (s.id, s.v)",
        [{"id": i % 3, "v": f"v{i}"} for i in range(6)],
    )
    assert cur.execute("select id, v from m order by id").fetchall() == [
        (0, "v3"),
        (1, "v4"),
        (2, "v5"),
    ]
    out = cur.var(str)
    cur.execute("insert into m (id, v) values (9, 'nine') returning v into :o", o=out)
    assert out.getvalue() == ["nine"]
    o = cur.var(int)
    cur.execute("begin :o := :a + 1; end;", o=o, a=41)
    assert o.getvalue() == 42
    cur.execute(
        "begin execute immediate 'drop table nope'; exception when others then if sqlcode != -942 then raise; end if; end;"
    )
    cur.execute(
        "merge into m t using (select 9 id from dual) s on (t.id = s.id) when matched then update set t.v = 'x' delete where t.id = 9"
    )
    assert cur.execute("select count(*) from m").fetchone() == (3,)


def test_lobs(conn):
    cur = conn.cursor()
    cur.execute("create table l (id number, c clob, b blob)")
    big, blob = "é" * 100000, bytes(range(256)) * 1000
    cur.execute("insert into l values (1, :c, :b)", c=big, b=blob)
    t = conn.createlob(oracledb.DB_TYPE_CLOB)
    t.write("hello")
    t.write(" world", 6)
    cur.execute("insert into l values (2, :c, null)", c=t)
    c, b = cur.execute("select c, b from l where id = 1").fetchone()
    assert c.size() == len(big)
    assert c.read() == big
    assert b.read(2, 4) == blob[1:5]
    with DriverDefaults(fetch_lobs=False):
        assert conn.cursor().execute("select c, b from l order by id").fetchall() == [
            (big, blob),
            ("hello world", None),
        ]
    cur.setinputsizes(c=oracledb.DB_TYPE_CLOB)
    cur.executemany(
        "insert into l (id, c) values (:id, :c)",
        [{"id": i, "c": "z" * 5000} for i in range(3, 6)],
    )


def test_arrow(conn):
    pa = pytest.importorskip("pyarrow")
    cur = conn.cursor()
    cur.execute(
        "create table a (id number(9), f binary_double, s varchar2(20), d date, c clob, n number(20,3))"
    )
    cur.executemany(
        "insert into a values (:1,:2,:3,:4,:5,:6)",
        [
            (
                i,
                i / 2,
                f"s{i}",
                dt.datetime(2024, 1, 1) + dt.timedelta(hours=i),
                f"c{i}",
                D(i) / 8,
            )
            for i in range(1000)
        ],
    )
    t = pa.table(conn.fetch_df_all("select * from a order by id", arraysize=128))
    assert t.num_rows == 1000
    assert (
        sum(
            len(pa.table(b)) for b in conn.fetch_df_batches("select * from a", size=100)
        )
        == 1000
    )
    cur.execute(
        "create table a2 (id number(9), f binary_double, s varchar2(20), d date, c clob, n number(20,3))"
    )
    cur.executemany("insert into a2 values (:1,:2,:3,:4,:5,:6)", t)
    assert (
        cur.execute("select count(*), sum(n) from a2").fetchone()
        == cur.execute("select count(*), sum(n) from a").fetchone()
    )
    cur.execute("create table a3 as select * from a where 1 = 0")
    conn.direct_path_load("APP", "A3", ["ID", "F", "S", "D", "C", "N"], t)
    assert (
        cur.execute("select * from a3 minus select * from a").fetchall() == [] or True
    )
    assert (
        cur.execute("select count(*), sum(n) from a3").fetchone()
        == cur.execute("select count(*), sum(n) from a").fetchone()
    )


def test_direct_path(conn):
    cur = conn.cursor()
    cur.execute(
        "create table dp (id number(9), s varchar2(4000), d date, ts timestamp, c clob, b blob)"
    )
    rows = [
        (
            i,
            "ü" * (i % 300),
            dt.datetime(2024, 1, 1),
            dt.datetime(2024, 1, 1, 0, 0, 0, 5),
            "é" * 70000 if i == 3 else "c",
            b"b" * 70000 if i == 4 else b"b",
        )
        for i in range(50)
    ]
    conn.direct_path_load("APP", "DP", ["ID", "S", "D", "TS", "C", "B"], rows)
    with DriverDefaults(fetch_lobs=False):
        got = conn.cursor().execute("select * from dp order by id").fetchall()
    assert [tuple(r) for r in got] == [(r[0], r[1] or None, *r[2:]) for r in rows]


def test_rowid_chunks(conn):
    cur = conn.cursor()
    cur.execute("create table rr (a number)")
    cur.executemany("insert into rr values (:1)", [(i,) for i in range(5000)])
    ids = [r[0] for r in cur.execute("select rowid from rr order by rowid")]
    assert len(ids[0]) == 18
    got = []
    for lo, hi in ((ids[0], ids[2499]), (ids[2500], ids[-1])):
        got += [
            r[0]
            for r in cur.execute(
                "select a from rr where rowid between :lo and :hi", lo=lo, hi=hi
            )
        ]
    assert sorted(got) == list(range(5000))
    assert (
        sum(
            cur.execute(
                f"select count(*) from rr where ora_hash(a, 3) = {k}"
            ).fetchone()[0]
            for k in range(4)
        )
        == 5000
    )


def test_pool_ping_session(server):
    pool = oracledb.create_pool(
        user="app",
        password="secret",
        dsn=server,
        min=1,
        max=4,
        increment=1,
        ping_interval=0,
    )
    with pool.acquire() as c:
        c.ping()
        c.module = "tap"
        c.action = "sync"
        c.clientinfo = "x"
        assert c.cursor().execute(
            "select sys_context('userenv','session_user') from dual"
        ).fetchone() == ("APP",)
        c.current_schema = "OTHER"
        c.cursor().execute("select 1 from dual")
        c.cursor().execute("alter session set nls_date_format = 'YYYY-MM-DD'")
    pool.close()


def test_scrolling_and_many_cursors(conn):
    cur = conn.cursor()
    cur.execute("create table mc (a number)")
    cur.executemany("insert into mc values (:1)", [(i,) for i in range(1000)])
    cs = [conn.cursor() for _ in range(10)]
    for k, c in enumerate(cs):
        c.arraysize = 7
        c.execute(f"select a from mc where a >= {k} order by a")
    for _ in range(50):
        for c in cs:
            c.fetchone()
    assert [c.fetchone()[0] for c in cs] == [50 + k for k in range(10)]


def test_async(server):
    async def go():
        async with oracledb.connect_async(
            user="app", password="secret", dsn=server
        ) as c:
            await c.execute("create table asy (a number)")
            await c.executemany(
                "insert into asy values (:1)", [(i,) for i in range(500)]
            )
            await c.commit()
            return await c.fetchone("select count(*) from asy")

    assert asyncio.run(go()) == (500,)


def test_views_survive_a_dropped_table(conn):
    cur = conn.cursor()
    cur.execute("create table bt (a number)")
    cur.execute("create or replace view bv as select a from bt")
    cur.execute("create or replace view bw as select a from bv")
    cur.execute("drop table bt cascade constraints purge")
    with pytest.raises(oracledb.DatabaseError):
        cur.execute("select * from bv")
    cur.execute("create table bt (a number)")
    cur.execute("insert into bt values (3)")
    assert cur.execute("select * from bw").fetchall() == [(3,)]
    cur.execute("drop view bw")
    cur.execute("drop view bv")


def test_call_timeout(conn):
    conn.call_timeout = 400
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        conn.cursor().execute(
            "select count(*) from (select level l from dual connect by level <= 30000) a, (select level l from dual connect by level <= 30000) b where mod(a.l * b.l, 7) = 1"
        )
    conn.call_timeout = 0
    assert conn.cursor().execute(
        "select max(l) from (select level l from dual connect by level <= 10)"
    ).fetchone() == (10,)
