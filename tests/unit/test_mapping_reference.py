"""The committed page on the mapping language says what the model says, and says something of every key."""

from jobs.platform import mapping_reference


def test_the_committed_page_is_current() -> None:
    assert mapping_reference.PATH.read_text(encoding="utf-8") == mapping_reference.reference(), (
        "run: python -m jobs.platform.mapping_reference"
    )


def test_every_key_has_a_meaning() -> None:
    without = [
        f"{name}.{key}"
        for name, model in mapping_reference.PARTS.items()
        for key, field in model.model_fields.items()
        if not field.description
    ]
    assert without == []
