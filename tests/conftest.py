"""Options that every area's tests share."""


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what is rendered now to tests/examples/*/expected",
    )
