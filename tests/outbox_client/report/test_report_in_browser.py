"""The report in a browser: drawn as meant, nothing refused, nothing asked of a network."""

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from outbox_client import report
from tests.outbox_client.report.test_report import HOSTILE, NOW, commit, fail, png

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
BAR = (0x2F, 0x6F, 0xB5)
PAGE = (200, 200, 200)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 500])
def test_the_report_is_drawn_and_nothing_in_it_is_refused(memory_bucket, naming, tmp_path, width):
    for number in range(30):
        commit(memory_bucket, f"{number}.pdf", pages=[png()], predict=1.4**number)
    commit(memory_bucket, HOSTILE, pages=[png()])
    fail(memory_bucket, HOSTILE + "2", message=HOSTILE)
    seen = report.survey("march", bucket=memory_bucket, naming=naming)
    pictures = report.thumbnails(seen.sample, bucket=memory_bucket)
    report.write(tmp_path / "report.html", report.page(seen, pictures, now=NOW))

    said = screenshot(tmp_path / "report.html", tmp_path / "shot.png", width=width)

    assert "CONSOLE" not in said  # where refusals by the page's own policy are told
    colours = {
        colour: count
        for count, colour in Image.open(tmp_path / "shot.png").convert("RGB").getcolors(1 << 24)
    }
    assert colours.get(BAR, 0) > 1000
    assert sum(count for c, count in colours.items() if near(c, PAGE)) > 20_000


def near(one, other) -> bool:
    return all(abs(a - b) <= 3 for a, b in zip(one, other, strict=True))


def screenshot(page: Path, to: Path, *, width: int) -> str:
    """What Chromium says meanwhile; it may not reach any address."""
    flags = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--disable-quic", "--proxy-server=127.0.0.1:9", "--enable-logging=stderr"),
        *(f"--user-data-dir={page.parent / 'profile'}", f"--window-size={width},3000"),
    )
    done = subprocess.run(
        [CHROMIUM, *flags, f"--screenshot={to}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return done.stderr
