"""conf/breaks.yaml: what is shipped is valid, and what is not says where and which word is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.platform.errors import ConfigError
from jobs.platform.settings import PROJECT_ROOT
from jobs.platform.yaml_model import load_yaml
from jobs.reconcile.desk import Bands, BreaksConf

BAND = "{age: [{name: new, below: 2}, {name: old}], materiality: [{name: small, below: {money: 9}}, {name: big}]"


def test_the_shipped_bands_take_in_every_age() -> None:
    conf = load_yaml(PROJECT_ROOT / "conf" / "breaks.yaml", BreaksConf)
    bands = conf.bands_of("acme", "canonical")
    assert bands is not None
    assert [bands.age_band(days) for days in (0, 1, 5, 20, 400)] == ["new", "days", "weeks", "old", "old"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "desks:\n  - {desk: custody, types: [end_valu], reason: whatever it is}",
            ":2: desks.0.types: no type of break 'end_valu'; did you mean 'end_value'?",
        ),
        (
            "desks:\n  - {desk: custody, vendor: canonica, reason: whatever it is}",
            ":2: desks.0.vendor: no vendor 'canonica'; did you mean 'canonical'?",
        ),
        (
            "desks:\n  - {desc: custody, reason: whatever it is}",
            "unknown key 'desc' at desks.0.desc; did you mean 'desk'?",
        ),
        ("desks:\n  - {desk: a, feed: ecb_fx_daily, reason: whatever it is}", "a break is a vendor's, not a feed's"),
        (
            f"bands:\n  - {BAND}, reason: the first one}}\n  - {BAND}, reason: the same again}}",
            "bands stand twice for the same",
        ),
        (
            "bands:\n  - {age: [{name: new, below: 2}], materiality: [{name: all}], reason: it has an end}",
            "band 'new' is the last",
        ),
        (
            "bands:\n  - {age: [{name: a, below: 5}, {name: b, below: 5}, {name: c}], materiality: [{name: all}],"
            " reason: it must rise}",
            "ages must rise from band to band, found 5, 5",
        ),
    ],
)
def test_a_mistake_says_where_and_what_is_meant(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "breaks.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_yaml(path, BreaksConf)
    assert says in str(error.value)


def test_the_entry_that_says_most_of_a_break_counts() -> None:
    entry = {"age": [{"name": "all"}], "reason": "of this scope only"}
    conf = BreaksConf.model_validate(
        {
            "bands": [
                {**entry, "materiality": [{"name": name}], **scope}
                for name, scope in [
                    ("any", {}),
                    ("acme", {"tenant": "acme"}),
                    ("canonical", {"vendor": "canonical"}),
                ]
            ]
        }
    )

    def name(bands: Bands | None) -> str | None:
        return bands and bands.materiality[0].name

    found = [name(conf.bands_of(*scope)) for scope in (("x", "y"), ("acme", "y"), ("acme", "canonical"))]
    assert found == ["any", "acme", "canonical"]
