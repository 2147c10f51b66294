"""A job's report: what it counts, what it shows, and that it is inert."""

import base64
import datetime
import hashlib
import io
import itertools
import json
import re
import tracemalloc
from html.parser import HTMLParser

import pytest
from PIL import Image

from outbox_client import report
from outbox_client.bucket.bucket import Bucket
from outbox_client.errors import UnknownJobError
from outbox_client.indexing.build import index
from outbox_client.report.failed import Failed, FailedRequests
from outbox_client.report.histogram import Distribution, histogram
from truss_outbox.contract.errors import AccessDeniedError
from truss_outbox.contract.keys import artifact_key, escape, failure_key, manifest_key
from truss_outbox.contract.manifest import Artifact, Failure, Manifest, ModelInfo, Timings

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
MODEL = ModelInfo(name="ocr", version="1")
HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>\x1b[2J\u202e"


@pytest.fixture
def bucket(memory_bucket) -> Bucket:
    return memory_bucket


@pytest.fixture
def survey(bucket, naming):
    return lambda job="march": report.survey(job, bucket=bucket, naming=naming)


@pytest.fixture
def page(bucket, survey):
    def page(job="march") -> str:
        seen = survey(job)
        return report.page(seen, report.thumbnails(seen.sample, bucket=bucket), now=NOW)

    return page


def png(*, size=(600, 800)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, 200).save(file, "PNG")
    return file.getvalue()


def commit(bucket, item, *, pages=(), job="march", predict=1000.0, **changes) -> None:
    """A result, written as the model writes it."""
    key = f"job={escape(job)}/{escape(item)}"
    artifacts = []
    for number, data in enumerate(pages, start=1):
        name = f"pages/page-{number:04}.png"
        path = artifact_key(key, "0" * 8, name)
        bucket.create_new(path, data)
        artifacts.append(
            Artifact(
                name=name,
                uri=f"{bucket.root}/{path}",
                size=len(data),
                content_type="image/png",
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )
    manifest = Manifest(
        key=key,
        request_id="r",
        job=job,
        item=item,
        attempt="0" * 8,
        fingerprint="0" * 64,
        model=MODEL,
        created_at=NOW,
        timings_ms=Timings(queue=20, preprocess=5, predict=predict, upload=50),
        artifacts=artifacts,
    )
    bucket.create_new(manifest_key(key), manifest.model_copy(update=changes).to_bytes())


def fail(
    bucket,
    item,
    code="INVALID_INPUT",
    message="pages: none",
    *,
    seconds=1,
    retryable=False,
    created_at=None,
):
    key = f"job=march/{escape(item)}"
    record = Failure(
        key=key,
        request_id="r",
        attempt=f"{1000 - seconds:08}",  # so that the listing's order is not that of time
        code=code,
        message=message,
        retryable=retryable,
        model=MODEL,
        created_at=created_at or NOW + datetime.timedelta(seconds=seconds),
    )
    bucket.create_new(failure_key(key, record.attempt), record.to_bytes())


def test_results_failures_and_what_recovered_are_told_apart(bucket, survey):
    for number in range(20):
        commit(bucket, f"{number}.pdf", predict=1000.0 * (number + 1))
    commit(bucket, "of-another.pdf", job="march2")
    fail(bucket, "3.pdf", "STORE_UNAVAILABLE", retryable=True)
    fail(bucket, "x/y.pdf")
    fail(bucket, "z.pdf", "INFERENCE_ERROR", seconds=1, retryable=True)
    fail(bucket, "z.pdf", "INVALID_INPUT", "the last word", seconds=2)

    seen = survey()

    assert (seen.results, seen.failed, seen.recovered) == (20, 2, 1)
    (group,) = seen.failures
    assert group.code == "INVALID_INPUT"
    assert group.examples == [("x/y.pdf", "pages: none"), ("z.pdf", "the last word")]
    document = report.document(seen)
    assert document["timings_ms"]["predict"]["p50"] == pytest.approx(10_000, rel=0.05)
    assert document["timings_ms"]["predict"]["max"] == 20_000
    assert sorted(seen.slowest)[::9] == [(11_000, "10.pdf"), (20_000, "19.pdf")]


def test_odd_records_do_no_harm(bucket, survey, page):
    """Times without a zone, texts without end, a model of its own for each result."""
    commit(bucket, "a.pdf", created_at=NOW.replace(tzinfo=None))
    for number in range(50):
        commit(
            bucket,
            f"{number}.pdf",
            predict=-1.0,
            model=ModelInfo(name="m" * 999, version=f"{number}"),
        )
    for number in range(150):
        fail(bucket, f"x{number}", code=f"{number:03}" * 100, message="m" * 100_000)
    seen = survey()
    assert (seen.first, seen.last, seen.failed) == (NOW, NOW, 150)
    assert len(page()) < 200_000


@pytest.mark.parametrize("hours", [-14, 0, 14, 23])
def test_times_at_the_ends_of_time_are_shown_all_the_same(bucket, survey, page, hours):
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    first = datetime.datetime(1, 1, 1, tzinfo=zone)
    last = datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=zone)
    commit(bucket, "a.pdf", created_at=first)
    commit(bucket, "b.pdf", created_at=last)
    fail(bucket, "c.pdf", created_at=first)
    fail(bucket, "d.pdf", created_at=last)

    seen = survey()

    assert (seen.results, seen.failed) == (2, 2)
    assert (seen.first.year, seen.last.year) == (1, 9999)
    assert "9999-12-31" in page()


def test_quantiles_are_true_to_five_per_cent():
    timings = Distribution()
    for milliseconds in range(1, 100_001):
        timings.add(milliseconds)
    for share in (0.01, 0.5, 0.9, 0.99):
        assert timings.quantile(share) == pytest.approx(share * 100_000, rel=0.05)
    assert timings.quantile(1) == timings.largest == 100_000
    assert sum(bar.count for bar in timings.bars()) == 100_000
    empty = Distribution()
    empty.add(float("nan"))
    assert (empty.quantile(0.5), empty.bars()) == (0, [])


@pytest.mark.parametrize("decades", range(9))
def test_a_histograms_labels_stand_apart_and_inside(decades):
    timings = Distribution()
    for milliseconds in (1, 10**decades):
        timings.add(milliseconds)
    chart = histogram(timings.bars())
    places = [x for x, _ in chart.labels] + [chart.width]
    assert places[0] == 0
    assert all(after - before >= 90 for before, after in itertools.pairwise(places))
    assert all(column.x + column.width <= chart.width for column in chart.columns)


def test_every_failure_is_grouped_under_its_code_with_a_remedy(bucket, survey, page):
    for number in range(30):
        fail(bucket, f"bad-{number}.pdf", "KEY_CONFLICT", "taken")
    fail(bucket, "one.pdf", "ODD_NEW_CODE", "who knows", retryable=True)
    html = page()
    assert "and 10 more" in html
    assert "Send it under another job or item" in html
    assert "The same request may succeed later" in html
    assert html.count("<details") == 2
    assert report.lines(survey())[0].startswith("30 failed (KEY_CONFLICT): ")


def test_the_account_tells_of_what_left_no_record(bucket, survey, page):
    commit(bucket, "a.pdf")
    fail(bucket, "bad.pdf", message="as the model said")
    items = [
        {"state": "expired", "item": "late.pdf", "key": None, "code": None, "message": None},
        {"state": "failed", "item": "bad.pdf", "key": "job=march/bad.pdf", "code": "INVALID_INPUT"},
        {"state": "unknown", "item": "a.pdf", "key": "job=march/a.pdf", "code": "NOT_SENT"},
    ]
    account = {
        "schema": "outbox.job/v1",
        "job": "march",
        "written_at": (NOW + datetime.timedelta(hours=1)).isoformat(),
        "total": 3,
        "counts": {"succeeded": 0, "failed": 1, "expired": 1, "unknown": 1},
        "not_succeeded": items,
    }
    bucket.put("jobs/march.json", json.dumps(account).encode())
    groups = {group.code: group.examples for group in survey().failures}
    assert groups == {"EXPIRED": [("late.pdf", "")], "INVALID_INPUT": [("bad.pdf", "")]}
    assert "3 sent, 1 failed, 1 expired, 1 unknown" in page()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"schema": "outbox.job/v2"}', "is no account that this version can read"),
        (b"{", "is no account that this version can read"),
        (
            json.dumps(
                {"schema": "outbox.job/v1", "job": "april", "written_at": "2026-01-01", "total": 0}
                | {"counts": {}, "not_succeeded": []}
            ).encode(),
            "is the account of another job",
        ),
    ],
)
def test_an_account_that_is_none_is_passed_over(bucket, survey, data, problem):
    commit(bucket, "a.pdf")
    bucket.create_new("jobs/march.json", data)
    seen = survey()
    assert (seen.results, seen.account) == (1, None)
    assert [(one.key, one.problem) for one in seen.problems] == [("jobs/march.json", problem)]


class Parsed(HTMLParser):
    """The page's elements and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_the_page_is_inert_whatever_documents_are_called(bucket, page):
    commit(bucket, HOSTILE, job="march", pages=[png()], model=ModelInfo(name=HOSTILE, version="1"))
    fail(bucket, HOSTILE + "2", HOSTILE, HOSTILE)
    html = page()
    parsed = Parsed(html)
    assert "script" not in parsed.tags
    assert parsed.tags.count("img") == 1
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name == "style"]
    assert not [
        n for n, value in parsed.attributes if n in {"src", "href"} and value[:5] != "data:"
    ]
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_page_allows_itself_nothing_but_its_own_style_and_pictures(bucket, page):
    commit(bucket, "a.pdf")
    html = page()
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [v for n, v in Parsed(html).attributes if n == "content" and "default-src" in v]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}';"
        " base-uri 'none'; form-action 'none'"
    )


def test_pictures_are_few_and_small(bucket, survey):
    for number in range(40):
        commit(bucket, f"{number:02}.pdf", pages=[png()] * (5 if number == 0 else 1))
    seen = survey()
    pictures = report.thumbnails(seen.sample, bucket=bucket)
    assert len(pictures) == 24
    assert {picture.page for picture in pictures} == {"pages/page-0001.png"}
    for picture in pictures:
        data = base64.b64decode(picture.uri.removeprefix("data:image/jpeg;base64,"))
        assert Image.open(io.BytesIO(data)).size == (picture.width, picture.height) == (240, 320)
        assert len(data) < 20_000
    assert report.thumbnails(survey().sample, bucket=bucket) == pictures


def test_further_pages_are_shown_where_there_is_room(bucket, survey):
    commit(bucket, "a.pdf", pages=[png()] * 5)
    commit(bucket, "b.pdf", pages=[png()])
    pictures = report.thumbnails(survey().sample, bucket=bucket)
    assert [(one.item, one.page[-5]) for one in pictures] == [
        *(("a.pdf", "1"), ("a.pdf", "2"), ("a.pdf", "3"), ("b.pdf", "1"))
    ]


def test_a_page_that_cannot_be_shown_is_left_out(bucket, survey):
    commit(bucket, "good.pdf", pages=[png()])
    commit(bucket, "text.pdf", pages=[b"not a picture"])
    commit(bucket, "half.pdf", pages=[png()[:200]])
    commit(bucket, "vast.pdf", pages=[png(size=(10_000, 10_000))])
    commit(bucket, "other.pdf", pages=[png()])
    path = artifact_key("job=march/other.pdf", "0" * 8, "pages/page-0001.png")
    bucket.delete(path)
    bucket.create_new(path, png(size=(10, 10)))
    pictures = report.thumbnails(survey().sample, bucket=bucket)
    assert [picture.item for picture in pictures] == ["good.pdf"]


def test_manifests_that_are_none_are_counted_and_the_rest_is_shown(bucket, survey):
    commit(bucket, "a.pdf")
    bucket.create_new("manifests/job=march/b.json", b"{")
    bucket.create_new("manifests/job=march/c.json", b" " * (5 << 20))
    bucket.create_new("manifests/job=march/d.json", bucket.get("manifests/job=march/a.pdf.json"))
    assert (survey().results, survey().foreign) == (1, 3)


def test_a_job_of_which_nothing_is_there_has_no_report(survey):
    with pytest.raises(UnknownJobError, match="nothing of job 'april'"):
        survey("april")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_job(bucket, survey):
    def peak(results: range) -> int:
        for number in results:
            commit(bucket, f"{number}.pdf")
        tracemalloc.start()
        try:
            assert survey().results == results.stop
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(range(2000))  # pages of the listing follow one another
    assert peak(range(2000, 4000)) < small + 3_000_000  # the results would be ten megabytes


class Counting(Bucket):
    """Counts the manifests that are read."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket._store, root=bucket.root)
        self.manifests = 0
        self.hidden = "none/"

    def get(self, key, **options):
        self.manifests += key.startswith("manifests/")
        return super().get(key, **options)

    def pages(self, prefix, *, after):
        if prefix.startswith(self.hidden):
            raise AccessDeniedError(prefix, "listing was refused")
        return super().pages(prefix, after=after)


@pytest.fixture
def counting(bucket, naming):
    """Nine results, some of them with pages; all but the last two are in the index."""
    for number in range(7):
        pages = [png()] * (number % 3)
        commit(bucket, f"{number}.pdf", pages=pages, predict=1000.0 * number)
    index("march", bucket=bucket, naming=naming, part_rows=3)
    for number in range(7, 9):
        commit(bucket, f"{number}.pdf", pages=[png()], predict=1000.0 * number)
    return Counting(bucket)


def of_manifests(bucket, naming):
    """What is found where there is no index."""
    without = Counting(bucket)
    without.hidden = "index/"
    return report.survey("march", bucket=without, naming=naming), without.manifests


def test_what_the_index_has_costs_no_call_each(counting, bucket, naming, tmp_path):
    by_manifests, calls = of_manifests(bucket, naming)
    assert (by_manifests.results, calls) == (9, 9)
    for _ in range(2):
        by_index = report.survey("march", bucket=counting, naming=naming, home=tmp_path)
        assert counting.manifests == 2
        assert sorted(by_index.slowest) == sorted(by_manifests.slowest)
        assert sorted(by_index.sample) == sorted(by_manifests.sample)
        for name in ("results", "artifacts", "artifacts_bytes", "first", "last", "models"):
            assert getattr(by_index, name) == getattr(by_manifests, name)
        assert report.lines(by_index) == report.lines(by_manifests)
        counting.manifests = 0


def test_a_broken_index_makes_no_broken_report(counting, bucket, naming, tmp_path):
    report.survey("march", bucket=bucket, naming=naming, home=tmp_path)
    bucket.delete("index/job=march/part-00000000.parquet")
    seen = report.survey("march", bucket=counting, naming=naming, home=tmp_path)
    assert (seen.results, counting.manifests) == (9, 9)


def test_an_index_that_others_go_on_with_counts_each_result_once(counting, naming, tmp_path):
    class Overtaken(Counting):
        def pages(self, prefix, *, after):
            # Once what the index has is known, and before its rows are read.
            self.listed = getattr(self, "listed", 0) + prefix.startswith("index/")
            if self.listed == 2:
                self.listed = 9
                index("march", bucket=counting, naming=naming)
            return super().pages(prefix, after=after)

    seen = report.survey("march", bucket=Overtaken(counting), naming=naming, home=tmp_path)
    assert seen.results == 9


def test_report_writes_one_page(outbox, documents, job, tmp_path):
    outbox("run", documents, "--job", job, "--to", tmp_path / "out")
    path = tmp_path / "new" / "report.html"

    result = outbox("report", job, "--to", path, "--json")

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["results"], answer["failures"], answer["page"]) == (3, {}, str(path))
    assert job in path.read_text()
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]


def test_report_says_what_is_wrong(outbox, documents, job, tmp_path):
    nothing = outbox("report", "april")
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    outbox("run", documents, "--job", job, "--to", tmp_path / "out")
    (tmp_path / "file").touch()
    result = outbox("report", job, "--to", tmp_path / "file" / "x.html")
    assert result.exit_code == 1
    assert f"{tmp_path / 'file'}: File exists" in result.stderr


def test_the_latest_reason_stays_whatever_order_they_come_in():
    with FailedRequests.opened() as failed:
        for at in ("2", "3", "1"):
            failed.add(Failed(key="k", item="a", code=f"CODE_{at}", message="", at=at))
        assert [group.code for group in failed.groups()] == ["CODE_3"]
