"""As a page of another site, in Chromium."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from local_baseten.running import LocalBaseten
from tests.local_baseten.ports.asking import KEPT, QUESTIONS, Port, ports_of
from tests.local_baseten.ports.test_other_users import CONTENT, S3, bucket_of, local

sync_api = pytest.importorskip("playwright.sync_api", reason="scripts/test --all installs it")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
REBOUND = "rebound.example"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
__all__ = ["local"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]

# What a page can read of an answer, or that it could not. `no-cors` sends, and reads nothing.
FETCH = """async (asked) => {
  const answer = await fetch(asked.url, {
    method: asked.method, body: asked.body || undefined, headers: asked.headers,
    mode: asked.mode, signal: AbortSignal.timeout(10_000),
  }).catch((error) => null);
  if (answer === null) return "refused";
  if (answer.type === "opaque") return "sent, not read";
  return `${answer.status} ${(await answer.text()).slice(0, 60)}`;
}"""
SOCKET = """(url) => new Promise((said) => {
  const socket = new WebSocket(url);
  socket.onopen = () => said("open");
  socket.onerror = () => said("refused");
})"""
SCRIPT = """(url) => new Promise((said) => {
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => said("run");
  script.onerror = () => said("refused");
  document.body.append(script);
})"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def page() -> Iterator[sync_api.Page]:
    """One that came from another origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_context().new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            yield page
            browser.close()
        server.shutdown()


@pytest.fixture(scope="module")
def ports(local: LocalBaseten) -> list[Port]:
    return ports_of(local)


def show(port: Port, what: str, answer: str) -> None:
    print(f"{port.owner:29} {what:52} {answer}")  # noqa: T201


def test_a_page_of_another_origin_reads_nothing_and_changes_nothing(local, page, ports):
    with bucket_of(local).client() as client:
        client.put_object(Bucket="outbox", Key=KEPT, Body=CONTENT)
        read = {}
        for port in ports:
            for question in QUESTIONS:
                for mode in ("cors", "no-cors"):
                    asked = {
                        "url": f"http://127.0.0.1:{port.number}{question.path}",
                        "method": question.method,
                        "body": question.body.decode("latin-1"),
                        "headers": dict(one.split(": ", 1) for one in question.headers),
                        "mode": mode,
                    }
                    answer = page.evaluate(FETCH, asked)
                    show(port, f"{mode:8} {question.name}", answer)
                    read[port, question.name, mode] = answer
        assert client.get_object(Bucket="outbox", Key=KEPT)["Body"].read() == CONTENT
    readable = {where: answer for where, answer in read.items() if answer[0].isdigit()}
    # Of itself S3 says to every page that it runs, and why it gives nothing.
    assert {port for port, *_ in readable} == {one for one in ports if one.owner == S3}
    assert {answer for answer in readable.values() if not answer.startswith("4")} == {"200 "}
    assert asked_of_the_model(local) == 0


def asked_of_the_model(local: LocalBaseten) -> int:
    """Requests that were ever accepted, with what they wait for."""
    headers = {"authorization": f"Bearer {local.api_key}"}
    state = httpx.get(f"{local.base_url}/page/state", headers=headers).json()
    running = local.processes()
    url = f"{running.model_url}/metrics/"
    metrics = httpx.get(url, headers=running.model_headers).text
    predicted = [line for line in metrics.splitlines() if line.startswith("outbox_results_stored")]
    return len(state["requests"]) + len(predicted)


def test_no_port_takes_a_web_socket_or_gives_a_script(page, ports):
    for port in ports:
        answers = (
            page.evaluate(SOCKET, f"ws://127.0.0.1:{port.number}/v1/websocket"),
            page.evaluate(SCRIPT, f"http://127.0.0.1:{port.number}/{KEPT}"),
        )
        show(port, "a web socket, a script", str(answers))
        assert answers == ("refused", "refused")


def test_a_name_that_leads_here_opens_no_port(page, ports):
    """DNS rebinding: to the browser, the port is of the other page's own site."""
    statuses = {}
    for port in ports:
        with page.context.new_page() as rebound:  # what a failed one still shows would get between
            try:
                answer = rebound.goto(f"http://{REBOUND}:{port.number}/")
                said = str(answer and answer.status)
            except sync_api.Error as error:
                said = error.message.partition(" at ")[0]
        show(port, f"GET / of {REBOUND}", said)
        statuses[port.owner] = said
    assert statuses["the stand-in"] == "400"
    assert statuses["the model's server"] == "401"
    assert statuses[S3] == "403"
    assert [said for said in statuses.values() if said[0] not in "4P"] == []  # or Page.goto: ERR_…
