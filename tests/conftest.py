"""Options and signals that every area's tests share."""

import signal

# A suite that a script started in the background ignores Ctrl-C, and so would all
# that it starts; what Ctrl-C does is among what is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what is rendered now to tests/examples/*/expected",
    )
