"""A stand-in for Oracle WMS Cloud: its REST and legacy interfaces over real HTTP.

Built from what Oracle documents (WMS REST API Guide 25B, Integration API guide) and
from what public clients of the service show. What the documents leave open is a
switch (`switches.py`), so that a client proves itself against both readings. It runs
as a process of its own on loopback and is never part of a wheel::

    PYTHONPATH=tests python -m fakes.wms --port 0 --switch empty_last_page=next_is_404

The first line on stdout is the base URL. `/__sim__/…` is the control side: truth,
log, switches, faults and the clock.
"""
