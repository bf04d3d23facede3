"""Faults of whole files: not complete, not known, not readable, or not new."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta

from jobs.sample.deliveries import Deliveries
from jobs.sample.faults.fault import Fault, changed
from jobs.sample.faults.formats import apx_page
from jobs.sample.faults.lines import bookings, details, hst_file, transactions
from jobs.sample.feeds import apx

# Deliveries that a manifest lists.


def listed(to: Deliveries) -> Iterator[Fault]:
    on, last = to.days[-1], len(to.days) - 1
    for n, kind, reason in ((33, "missing page", "which is not there"), (34, "page cut on its way", "whose sha256")):
        dated = on + timedelta(days=n)
        pages = [(f"apx/apx_transactions_{dated}_p{page:04d}.jsonl", apx_page(n, on), 3) for page in (1, 2)]
        to.write(f"apx/apx_{dated}.manifest.json", last, apx.manifest(pages), 0)
        if kind == "missing page":
            yield Fault(kind, pages[0][0], "waits", reason, pages[0][1], rows=3)
            continue
        to.write(pages[1][0], last, pages[1][1], 3)
        yield Fault(kind, pages[0][0], "waits", reason, pages[0][1][:-40], rows=3)


# Files that are no delivery yet, or of nobody that is known.


def incomplete_or_unknown(on: date) -> Iterator[Fault]:
    path, content = hst_file(30, on, details(30, on))
    yield Fault("empty", path, "waits", "empty: 0 bytes", b"")
    path, content = hst_file(31, on, details(31, on))
    yield Fault("temporary name", f"{path}.part", "waits", "temporary name", content)
    noise = bytes(range(256)) * 4
    yield Fault("binary", "HARBOR_EXTRACT.DAT", "file", "binary content", noise)
    armor = b"-----BEGIN PGP MESSAGE-----\nVersion: none\n\nhQEMA0planted0planted0\n=abcd\n-----END PGP MESSAGE-----\n"
    yield Fault("encrypted", "hst/HST_TXN_secret.txt", "file", "encrypted", armor)
    path, content = hst_file(32, on, details(32, on))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(path.rsplit("/", 1)[-1]), content)
    yield Fault("damaged zip", f"{path}.zip", "file", "damaged archive", packed.getvalue()[:-60], rows=3)
    strange = "Konto;Datum;Bewegung;Saldo\n4711;31.03.2026;12,50;100,00\n"
    yield Fault("unknown vendor", "kontoauszug.csv", "file", "no mapping fits", strange.encode(), rows=1)
    both = f"benchmark_id,as_of_date,level,currency,from_currency,to_currency,rate\nBM,{on},100,USD,USD,CHF,0.8\n"
    tied = "several mappings fit equally well: canonical_benchmark_levels .*canonical_fx_rates"
    yield Fault("tied mappings", "levels_and_rates.csv", "file", tied, both.encode(), rows=1)


def already_known(to: Deliveries) -> Iterator[Fault]:
    """Faults that need a good file beside them: its content under another name, other content under its name."""
    on = to.days[-1]
    path, content = hst_file(40, on, details(40, on))
    to.write(path, len(to.days) - 1, content, 3)
    again = path.replace(".psv", "_again.psv")
    yield Fault("same content under another name", again, "duplicate", "same content as file", content)
    path, content = transactions(41, on, bookings(41, on))
    to.write(path, len(to.days) - 1, content, 3)
    other = changed(bookings(41, on), 1, 6, "-13.50", ",")
    yield Fault("restated file", path, "restated", "", transactions(41, on, other)[1], line_no=3, rows=1)
