"""The page in a browser, in front of the real model, while a job runs."""

import base64
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from local_baseten.running import LocalBaseten, running_locally
from tests.canaries import seed
from tests.tiny_truss import PROJECT, ocr_is_here

sync_api = pytest.importorskip("playwright.sync_api", reason="scripts/test --all installs it")
expect = sync_api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SCRIPT = "<script>document.title = 'run'</script>"
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
WAIT = 60_000
# It resolves no name and asks nobody for updates.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.skipif(not ocr_is_here(), reason="model/inference is not the OCR"),
]


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Iterator[LocalBaseten]:
    with running_locally(
        PROJECT,
        state_directory=tmp_path_factory.mktemp("state"),
        bucket_directory=tmp_path_factory.mktemp("bucket"),
        api_key=seed("the stand-in's key"),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Seen:
    """What must not be: words on the console, and requests to anybody else."""

    base_url: str
    said: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def watch(self, page: sync_api.Page) -> None:
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self._look_at(request.url))

    def _look_at(self, url: str) -> None:
        own = (f"{self.base_url}/", f"blob:{self.base_url}/", "data:")
        if not url.startswith(own):
            self.elsewhere.append(url)


def document_with(text: str) -> bytes:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=18)
    pdf.cell(text=text)
    return bytes(pdf.output())


def submit(local: LocalBaseten, document: bytes, *, item: str) -> None:
    model_input = {
        "metadata": {"job": "shown", "item": item},
        "document": {"base64": base64.b64encode(document).decode()},
        "artifacts": ["pages", "text.txt", "searchable.pdf"],
        "dpi": 72,
    }
    answer = httpx.post(
        f"{local.base_url}/production/async_predict",
        json={"model_input": model_input},
        headers={"authorization": f"Api-Key {local.api_key}"},
        timeout=30,
    )
    assert answer.status_code == 201


def keep(page: sync_api.Page, name: str) -> None:
    """For whoever wants to look at it."""
    if directory := os.environ.get("OUTBOX_SCREENSHOTS"):
        page.screenshot(path=Path(directory) / f"{name}.png", full_page="dialog" not in name)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_job_is_watched_from_its_start_to_a_results_text(browser, local, width, scheme):
    name = f"{width}-{scheme}"
    seen = Seen(local.base_url)
    wide, high = WIDTHS[width]
    with browser.new_context(
        viewport={"width": wide, "height": high}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        expect.set_options(timeout=WAIT)
        seen.watch(page)
        enter(page, local)
        charts_move_while_a_job_runs(page, local, name)
        a_result_shows_its_page_and_text(page, local, name)
        a_failed_request_shows_its_error(page, name)
        it_fits(page)
        assert local.api_key not in page.content() + page.url

    assert (seen.said, seen.elsewhere) == ([], [])


def enter(page: sync_api.Page, local: LocalBaseten) -> None:
    page.goto(local.base_url)
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(local.api_key)
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("Live")


def charts_move_while_a_job_runs(page: sync_api.Page, local: LocalBaseten, name: str) -> None:
    counted = page.locator("#volume .now")
    before = counted.inner_text()
    for number in range(3):
        submit(local, document_with(SCRIPT), item=f"{name}-{number} {SCRIPT}")
    submit(local, b"no document at all", item=f"{name}-broken.pdf")
    expect(page.locator(".status.QUEUED, .status.IN_PROGRESS").first).to_be_visible()
    expect(page.locator("#queue-size polyline.queued")).to_have_count(1)
    expect(page.locator(f"tr:has-text('{name}-broken.pdf') .status.FAILED")).to_be_visible()
    expect(counted).not_to_have_text(before)
    for chart in ("time-in-queue", "volume", "response-time"):
        expect(page.locator(f"#{chart} .async").first).to_be_attached()
    page.locator("#volume svg").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#volume figcaption")).to_contain_text("now")
    keep(page, name)


def a_result_shows_its_page_and_text(page: sync_api.Page, local: LocalBaseten, name: str) -> None:
    page.get_by_role("button", name="Succeeded").click()
    opener = page.get_by_role("button", name=f"shown/{name}-0 {SCRIPT}")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    picture = dialog.get_by_role("img", name="pages/page-0001.png")
    expect(picture).to_have_js_property("naturalWidth", 596)
    expect(dialog.locator("pre").first).to_contain_text("script")
    keep(page, f"{name}-dialog")
    assert page.title() == "outbox · Outbox stand-in"
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download searchable.pdf").click()
    content = Path(download.value.path()).read_bytes()
    dialog.get_by_text("Manifest", exact=True).click()
    expect(dialog.locator("details pre")).to_contain_text(hashlib.sha256(content).hexdigest())
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def a_failed_request_shows_its_error(page: sync_api.Page, name: str) -> None:
    page.get_by_role("button", name="Failed").click()
    row = page.locator("tr", has_text=f"{name}-broken.pdf")
    expect(row).to_contain_text("MODEL_INVALID_INPUT")
    row.click()
    expect(page.get_by_role("dialog")).to_contain_text("is neither PDF, PNG")
    keep(page, f"{name}-failed-dialog")
    page.keyboard.press("Escape")


def it_fits(page: sync_api.Page) -> None:
    """Nothing has to be scrolled sideways, down to the narrowest phones."""
    for wide in (page.viewport_size["width"], 320):
        page.set_viewport_size({"width": wide, "height": 800})
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0, wide


def test_a_wrong_key_is_refused_and_asked_for_again(browser, local):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(local.base_url)
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Continue").click()

        expect(page.get_by_role("alert")).to_contain_text("not the one")
        expect(page.locator("#main")).to_be_hidden()
