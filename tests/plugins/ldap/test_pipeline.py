"""Writes in flight, watched by a server that answers in any order it likes."""

from __future__ import annotations

import random
import select
import socket
import threading

import pytest
from flext_ldap import ber, dn, messages
from flext_ldap.connection import Connection
from flext_ldap.operations import Add, Delete, Modify, Rename
from flext_ldap.pipeline import Job, Pipeline
from flext_ldap.results import ConnectionLostError

TAGS = {0x68: 0x69, 0x66: 0x67, 0x4A: 0x6B, 0x6C: 0x6D}


class Watcher:
    """The server side: notes what was under way at once, answers at random."""

    def __init__(self, sock, seed, *, fails=(), closes_after=None):
        self.sock, self.rng = sock, random.Random(seed)  # noqa: S311 (an order)
        self.fails, self.closes_after = fails, closes_after
        self.most = 0
        self.clashes = []
        self.order = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        buffer, flying = b"", {}
        while True:
            ready = select.select([self.sock], [], [], 0 if flying else 5)[0]
            if ready:
                data = self.sock.recv(1 << 20)
                if not data:
                    return
                buffer += data
                while buffer:
                    try:
                        _, a, z = ber.read_tlv(buffer, 0, len(buffer))
                    except ber.BerError:
                        break
                    self.take(buffer[a:z], flying)
                    buffer = buffer[z:]
            elif flying:
                message_id = self.rng.choice(list(flying))
                tag, keys = flying.pop(message_id)
                code = 65 if keys[0] in self.fails else 0
                body = ber.enumerated(code) + ber.octets("") + ber.octets("no")
                self.sock.sendall(messages.envelope(message_id, ber.tlv(tag, body)))
                if self.closes_after is not None:
                    self.closes_after -= 1
                    if self.closes_after == 0:
                        self.sock.close()
                        return

    def take(self, message, flying):
        parts = [
            (t, message[a:z]) for t, a, z in ber.read_items(message, 0, len(message))
        ]
        message_id, (tag, content) = ber.read_integer(parts[0][1]), parts[1]
        if tag == 0x42:
            return
        if tag == 0x4A:
            keys = [content.decode()]
        else:
            inner = ber.read_sequence(ber.tlv(0x30, content))
            keys = [inner[0][1].decode()]
            if tag == 0x6C:
                keys.append(f"{inner[1][1].decode()},{dn.parent(keys[0])}")
        keys = [dn.normalise(key) for key in keys]
        for _, others in flying.values():
            for one in keys:
                self.clashes += [
                    (one, other)
                    for other in others
                    if dn.is_under(one, other) or dn.is_under(other, one)
                ]
        flying[message_id] = (TAGS[tag], keys)
        self.order.append((tag, keys[0]))
        self.most = max(self.most, len(flying))


def run(jobs, seed, window=64, **options):
    ours, theirs = socket.socketpair()
    watcher = Watcher(theirs, seed, **options)
    connection = Connection(ours, timeout_seconds=10)
    done = []
    try:
        Pipeline(connection, window).run(jobs, done.append)
    finally:
        connection.close()
        watcher.thread.join(10)
        theirs.close()
    return watcher, done


def tangled(seed):
    """Jobs on a small tree: the same entries, parents and children again."""
    rng = random.Random(seed)  # noqa: S311 (data)
    jobs = []
    for _ in range(300):
        place = ",".join(f"ou={rng.randrange(4)}" for _ in range(rng.randrange(1, 4)))
        where = f"{place},dc=x"
        kind = rng.randrange(4)
        if kind == 0:
            jobs.append(Job([Add(where, {"ou": [b"x"]})]))
        elif kind == 1:
            jobs.append(Job([Modify(where.upper(), []), Modify(where, [])]))
        elif kind == 2:
            jobs.append(Job([Rename(where, f"ou={rng.randrange(4)}")]))
        else:
            jobs.append(Job([Delete(where)]))
    return jobs


@pytest.mark.parametrize("seed", range(5))
def test_no_two_operations_meet_whatever_the_order_of_answers(seed):
    jobs = tangled(seed)
    watcher, done = run(jobs, seed)
    assert watcher.clashes == []
    assert sorted(map(id, done)) == sorted(map(id, jobs))


@pytest.mark.parametrize("window", [1, 7, 64, 90])
def test_the_window_is_filled_and_never_passed(window):
    jobs = [Job([Delete(f"cn={n},dc=x")]) for n in range(400)]
    watcher, done = run(jobs, 1, window)
    assert watcher.most == window
    assert len(done) == 400


def test_a_window_beyond_the_servers_limit_is_cut():
    jobs = [Job([Delete(f"cn={n},dc=x")]) for n in range(400)]
    assert run(jobs, 1, 5000)[0].most == 90


def test_the_operations_of_one_job_follow_one_another_until_one_fails():
    good = Job([Rename("cn=a,dc=x", "cn=b"), Modify("cn=b,dc=x", [])])
    bad = Job([Modify("cn=c,dc=x", []), Delete("cn=c,dc=x")])
    watcher, done = run([good, bad], 3, fails={"cn=c,dc=x"})
    assert [tag for tag, key in watcher.order if key == "cn=c,dc=x"] == [0x66]
    assert good in done
    assert good.failure is None
    assert bad.failure is not None
    assert (bad.failure.code, bad.operation) == (65, bad.operations[0])


def test_a_lost_connection_leaves_the_unanswered_jobs_open():
    jobs = [Job([Delete(f"cn={n},dc=x")]) for n in range(200)]
    done = []
    ours, theirs = socket.socketpair()
    watcher = Watcher(theirs, 1, closes_after=50)
    connection = Connection(ours, timeout_seconds=10)
    with pytest.raises(ConnectionLostError):
        Pipeline(connection).run(jobs, done.append)
    watcher.thread.join(10)
    assert len(done) <= 50
    assert all(job.failure is None and job.done == 1 for job in done)
