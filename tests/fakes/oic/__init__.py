"""A stand-in for Oracle Integration Cloud (Gen 2 and Oracle Integration 3).

Built from Oracle's developer API pages and from what public clients show; what they
leave open is a switch. One process, four listeners on loopback: `idcs` (tokens),
`instance`, `design`, and `evil`, which must never see credentials::

    PYTHONPATH=tests python -m fakes.oic --profile oic3 --switch keys=kebab

The first line on stdout is a JSON object with the four base URLs. `/__sim__/…` on
any listener is the control side.
"""
