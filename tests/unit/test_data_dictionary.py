"""The committed data dictionary says what `schemas/` says."""

from jobs.platform import data_dictionary


def test_the_committed_page_is_current() -> None:
    assert data_dictionary.PATH.read_text(encoding="utf-8") == data_dictionary.dictionary(), (
        "run: python -m jobs.platform.data_dictionary"
    )
