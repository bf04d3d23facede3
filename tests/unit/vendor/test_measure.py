"""Drafts of the project's own samples against the mappings that are shipped: wrong is much worse than open."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from jobs.platform.mapping import Mapping
from jobs.platform.yaml_model import load_yaml
from jobs.vendor.write import drafts
from tests.drafting import Measure, all_measured, sample_files


@pytest.fixture(scope="module")
def measures(tmp_path_factory: pytest.TempPathFactory) -> list[Measure]:
    return all_measured(tmp_path_factory.mktemp("measured"))


def share(measures: list[Measure], what: str, *, canonical: bool) -> tuple[float, int]:
    """(share that is right, number) of the canonical feeds or of the others."""
    chosen = [one for one in measures if one.feed.startswith("canonical_") == canonical]
    counts: Counter[str] = sum((getattr(one, what) for one in chosen), Counter())
    return counts["right"] / counts.total(), counts.total()


def test_nothing_is_wrong_and_nothing_is_mapped_that_the_mapping_leaves_out(measures: list[Measure]) -> None:
    assert [line for one in measures for line in one.wrong] == []
    assert [line for one in measures for line in one.extra] == []


def test_the_share_that_is_right_does_not_fall(measures: list[Measure]) -> None:
    assert share(measures, "columns", canonical=True)[0] == 1
    right, number = share(measures, "columns", canonical=False)
    assert number >= 100
    assert right >= 0.55
    assert share(measures, "words", canonical=False)[0] >= 0.8
    assert share(measures, "layout", canonical=False)[0] >= 0.8


def test_drafts_of_canonical_files_load_as_they_are(tmp_path: Path) -> None:
    loaded = {}
    for feed, source in sample_files(tmp_path).items():
        if feed.startswith("canonical_") and feed != "canonical_positions":  # full or delta: no file says it
            path = tmp_path / f"{feed}.yaml"
            path.write_text(next(drafts(source, "canonical", feed)).text, encoding="utf-8")
            loaded[feed] = load_yaml(path, Mapping)
    assert len(loaded) == 10
    assert loaded["canonical_valuations"].targets[0].columns["account_id"].title == "account_id"
