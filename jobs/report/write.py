"""Write the page of a night: DIETZ_HOME/reports/<date>.html, one file that needs nothing else to be read."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from jobs.platform import database
from jobs.platform.settings import Settings
from jobs.report import largest, pictures, words
from jobs.report.planted import PLACES, Proof
from jobs.report.read import Night, read_night, tenants_by_size
from jobs.report.series import Series, read_series

DRAWN_TENANTS = 4


def write_report(settings: Settings, business_date: date, proof: Proof | None = None) -> Path:
    """Write the report of a business date and return its path; a night without a run gives a page that says so.

    proof: how well the rules found what was planted in a sample, where that is to stand there. Everything else is read
    from one snapshot of the database: a run that publishes meanwhile does not mix two nights.
    """
    bands = largest.bands(settings)
    connection = database.connect(settings)
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        night = read_night(connection, business_date, bands)
        tenants = tenants_by_size(night.status)
        series = read_series(connection, business_date, tenants[:DRAWN_TENANTS])
    finally:
        connection.close()
    path = settings.folder("reports") / f"{business_date}.html"
    page = render(
        night, series, left_out_tenants=tenants[DRAWN_TENANTS:], data_docs=_data_docs(settings, night), proof=proof
    )
    # A reader never sees half a page.
    unfinished = path.with_suffix(".part")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
    return path


def render(
    night: Night, series: Series, *, left_out_tenants: list[str], data_docs: str | None, proof: Proof | None = None
) -> str:
    """The page as text. Does not touch the database."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name)
        for name in ("number", "money", "percent", "bps", "duration", "share", "size", "long_date", "moment", "masked")
    }
    environment.globals |= {
        name: getattr(words, name) for name in ("figure", "reasons", "account", "item", "BREAK_WORDS")
    }
    to_do = words.tasks(night)
    return environment.get_template("page.html.j2").render(
        night=night,
        to_do=to_do,
        verdict=words.verdict(night, to_do),
        pictures=_pictures(night, series),
        series=series,
        left_out_tenants=left_out_tenants,
        data_docs=data_docs,
        proof=proof,
        places=PLACES,
    )


def _pictures(night: Night, series: Series) -> dict[str, Any]:
    """The pictures that there is something to draw for."""
    drawn: dict[str, Any] = {"returns": {t: pictures.returns_picture(series, t) for t in series.returns}}
    has_growth = any(len(line) > 1 for line in [*series.tenant_growth.values(), *series.account_growth.values()])
    drawn["book"] = pictures.book_picture(series) if series.book else None
    drawn["growth"] = pictures.growth_picture(series) if has_growth else None
    drawn["steps"] = pictures.steps_picture(night.steps) if night.steps else None
    drawn["breaks"] = pictures.breaks_picture(night.breaks_by_type) if night.breaks_by_type else None
    return drawn


def _data_docs(settings: Settings, night: Night) -> str | None:
    """Address of the newest Data Docs of the night, relative to the report; None where there are none."""
    folder = settings.folder("data_docs")
    wanted = [folder / f"{night.business_date}" / f"run-{run['run_no']}" / "index.html" for run in night.runs]
    found = [page for page in [*wanted[::-1], folder / "index.html"] if page.exists()]
    return os.path.relpath(found[0], settings.folder("reports")) if found else None
