"""`dietz vendor detect` and `draft` as typed."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from jobs.cli.main import app

RATES = "Date,USD,JPY,BGN,\n2026-02-06,1.1794,185.27,N/A,\n"
UNKNOWN = "Kennung;Wert\nA;1\n"


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["vendor", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_detect_gives_the_feed_its_reasons_and_the_drift(tmp_path: Path) -> None:
    path = tmp_path / "canonical_prices_1.csv"
    path.write_text("security_id,as_of_date,price,currency,colour\nS,2026-03-02,1,EUR,red\n", encoding="utf-8")
    (found,) = json.loads(said("detect", str(path), "--json"))
    assert (found["feed"], found["status"], found["drift"]) == ("canonical_prices", "detected", ["colour"])
    assert found["candidates"][0]["feed"] == "canonical_prices"
    assert "has the usual name" in found["candidates"][0]["reasons"]
    assert "titles that the mapping does not know: colour" in said("detect", str(path))


def test_detect_says_of_a_stranger_what_a_night_would_say(tmp_path: Path) -> None:
    path = tmp_path / "stranger.csv"
    path.write_text(UNKNOWN, encoding="utf-8")
    assert "stranger.csv: unrecognised\n  no mapping fits: none knows any of its titles" in said("detect", str(path))
    related = tmp_path / "related.csv"
    related.write_text("as_of_date,level,colour\n2026-03-02,1.00,red\n", encoding="utf-8")
    nearest = "no mapping fits; nearest is canonical_benchmark_levels: title 'benchmark_id' is missing from line 1"
    assert nearest in said("detect", str(related))
    waiting = tmp_path / "stranger.csv.part"
    waiting.write_text(UNKNOWN, encoding="utf-8")
    assert "still under a temporary name" in said("detect", str(waiting))


def test_draft_goes_to_the_file_named_and_says_how_much_is_open(tmp_path: Path) -> None:
    path, out = tmp_path / "eurofxref-hist.csv", tmp_path / "draft.yaml"
    path.write_text(RATES.replace("BGN", "BGN,SEK,CHF").replace("N/A", "N/A,10.6,0.9"), encoding="utf-8")
    output = said("draft", str(path), "--vendor", "central", "--feed", "central_fx", "--out", str(out))
    assert out.read_text(encoding="utf-8").splitlines()[2:4] == ["vendor: central", "feed: central_fx"]
    assert "1 places are to be decided (TODO)" in output
    assert "is recognised already, as ecb_fx_history" in output
