"""What is written about commands, settings and keys is what the code does."""

import pytest

from flexcore_gen.reference import reference_pages


@pytest.mark.golden
@pytest.mark.parametrize("page", sorted(reference_pages()))
def test_a_reference_page_is_as_the_code_writes_it(repository, page):
    written = (repository / "docs/reference" / page).read_text()
    assert written == reference_pages()[page], "run python -m flexcore_gen.reference"
