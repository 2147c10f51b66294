"""Where outputs live."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truss_outbox.contract.errors import ConfigurationError, InvalidInputError
from truss_outbox.contract.keys import (
    DEFAULT_TEMPLATE,
    MAX_KEY_BYTES,
    MAX_SEGMENT_BYTES,
    KeyFields,
    KeyTemplate,
    escape,
    input_key,
    unescape,
)
from truss_outbox.contract.metadata import RequestMetadata

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
AWKWARD = [
    "../../x",
    ".",
    "..",
    "",
    "/",
    "a\nb",
    "😀",
    "%2F",
    "%FF",
    "%",
    "\x00",
    ".hidden",
    "ａ",
    "é",
]
VALUES = TEXT | st.sampled_from(AWKWARD)


def fields(job="J", item="I", request_id="R", labels=None, environment=None):
    metadata = RequestMetadata(job=job, item=item, labels=labels or {})
    return KeyFields(metadata=metadata, request_id=request_id, model="M", environment=environment)


def render(template, **values):
    return KeyTemplate.parse(template).render(fields(**values))


def test_the_default_key_is_readable():
    assert render(DEFAULT_TEMPLATE, job="scans", item="page-1.pdf") == "job=scans/page-1.pdf"


def test_the_item_is_the_request_id_where_the_request_names_none():
    assert render(DEFAULT_TEMPLATE, item=None, request_id="abc") == "job=J/abc"


def test_a_template_may_use_every_field():
    template = "{model}/{environment}/{job}/{item}/{request_id}/{labels.customer-no}"
    key = render(template, environment="staging", labels={"customer-no": "7"})
    assert key == "M/staging/J/I/R/7"


def test_hash2_spreads_a_jobs_neighbours_and_is_the_same_on_every_retry():
    template = KeyTemplate.parse("job={job}/{hash2}/{item}")
    assert template.job_prefix("J") == "job=J/"
    keys = [template.render(fields(item=f"scan-{n:04}.pdf")) for n in range(2_000)]
    folders = [key.split("/")[1] for key in keys]
    assert len(set(folders)) == 256
    assert max(map(folders.count, set(folders))) < 30
    assert template.render(fields(item="scan-0000.pdf", request_id="another")) == keys[0]
    assert template.values(keys[7])["item"] == "scan-0007.pdf"
    # Of a request without an item it is that of its id.
    by_id = template.render(fields(item=None, request_id="abc"))
    assert by_id == template.render(fields(item="abc"))


def test_hash2_alone_would_be_one_key_for_many():
    with pytest.raises(ConfigurationError, match="one key for all"):
        KeyTemplate.parse("x/{hash2}")


@pytest.mark.parametrize("value", AWKWARD)
def test_an_awkward_value_stays_one_segment_that_is_no_path(value):
    key = render(DEFAULT_TEMPLATE, item=value)
    assert key.count("/") == 1
    segment = key.removeprefix("job=J/")
    assert segment
    assert not segment.startswith(".")
    assert segment.isascii()
    assert segment.isprintable()


@given(VALUES)
def test_escaping_can_be_undone(value):
    assert unescape(escape(value)) == value


@given(VALUES, VALUES)
def test_two_values_never_share_an_escape(first, second):
    assert (escape(first) == escape(second)) == (first == second)


@given(st.tuples(VALUES, VALUES), st.tuples(VALUES, VALUES))
def test_two_requests_never_share_a_key(first, second):
    keys = [
        KeyTemplate.parse("{job}={item}+{labels.a}").render(fields(j, i, labels={"a": j}))
        for j, i in (first, second)
    ]
    assert (keys[0] == keys[1]) == (first == second)


@given(VALUES, VALUES)
def test_a_jobs_results_lie_under_its_prefix_and_no_other_jobs_do(job, other):
    template = KeyTemplate.parse(DEFAULT_TEMPLATE)
    key = template.render(fields(job))
    assert key.startswith(template.job_prefix(job))
    assert key.startswith(template.job_prefix(other)) == (job == other)


def test_a_template_that_does_not_begin_with_the_job_has_no_job_prefix():
    assert KeyTemplate.parse("{labels.a}/{job}").job_prefix("J") == ""
    assert KeyTemplate.parse("results/{item}").job_prefix("J") == "results/"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{when}/{item}", "unknown field {when}"),
        ("{labels}/{item}", "unknown field {labels}"),
        ("{}/{item}", "{name}"),
        ("constant", "needs a field"),
        ("{job}{item}", "between them"),
        ("{job}-{item}", "between them"),
        ("/{item}", "empty"),
        ("{job}//{item}", "empty"),
        ("{item}/", "empty"),
        ("../{item}", "dot"),
        (".{item}", "dot"),
        ("a b/{item}", "may only hold"),
        ("{item!r}", "without"),
        ("{item:>5}", "without"),
        ("{item", "expected"),
        ("x" * 230 + "{item}", "fewer or shorter"),
        ("@".join(f"{{labels.{n}}}" for n in range(8)), "fewer or shorter"),
    ],
)
def test_a_wrong_template_is_refused_with_its_reason(template, problem):
    with pytest.raises(ConfigurationError, match="key_template") as caught:
        KeyTemplate.parse(template)
    assert problem in str(caught.value)


def test_a_label_the_template_needs_is_asked_for_by_name():
    with pytest.raises(InvalidInputError) as caught:
        render("{labels.customer}/{item}")
    assert caught.value.field == "metadata.labels.customer"


def test_an_environment_the_template_needs_must_be_known():
    with pytest.raises(InvalidInputError):
        render("{environment}/{item}")


def test_two_hundred_characters_fit():
    assert render(DEFAULT_TEMPLATE, item="x" * 200).endswith("x" * 200)


@pytest.mark.parametrize("item", ["x" * 251, "😀" * 100, "日" * 28, "a" + "é" * 400, "/" * 300])
def test_a_value_too_long_for_a_segment_is_cut_between_characters_and_gets_a_digest(item):
    segment = render(DEFAULT_TEMPLATE, item=item).removeprefix("job=J/")
    beginning, _, digest = segment.partition("~")
    assert item.startswith(unescape(beginning))
    assert digest == hashlib.sha256(item.encode()).hexdigest()[:32]
    assert 200 < len(segment) <= MAX_SEGMENT_BYTES
    assert render(DEFAULT_TEMPLATE, item="x" * MAX_SEGMENT_BYTES).endswith("/" + "x" * 250)


LONG = st.text(st.sampled_from("a~/é日%"), min_size=80, max_size=300)


@given(LONG, LONG | VALUES)
def test_two_long_values_never_share_a_key(first, second):
    keys = [render("{job}@{item}", job=job, item="I") for job in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@given(LONG)
def test_a_long_jobs_results_lie_under_its_prefix(job):
    template = KeyTemplate.parse("all/job={job}/{item}")
    key, prefix = template.render(fields(job)), template.job_prefix(job)
    assert key == f"{prefix}I"
    assert max(map(len, key.split("/"))) <= MAX_SEGMENT_BYTES


def test_fields_that_share_a_segment_share_its_room():
    key = render("v={job}@{item}.x", job="j" * 100, item="i" * 300)
    assert len(key) <= MAX_SEGMENT_BYTES
    assert key.startswith(f"v={'j' * 100}@iii"), "only what is too long is shortened"
    assert key.endswith(".x")


def test_a_key_may_not_be_longer_than_an_objects_name_allows():
    labels = dict.fromkeys("abcd", "x" * 249)
    with pytest.raises(InvalidInputError) as caught:
        render("{labels.a}/{labels.b}/{labels.c}/{labels.d}", labels=labels)
    assert caught.value.field == "metadata"
    assert str(MAX_KEY_BYTES) in caught.value.problem


@pytest.mark.parametrize("value", [5, None, True, ["x"], {"a": 1}, "\ud800"])
def test_metadata_must_be_text(value):
    with pytest.raises(ValueError, match="job"):
        RequestMetadata.model_validate({"job": value})
    with pytest.raises(ValueError, match="labels"):
        RequestMetadata.model_validate({"labels": {"a": value}})


@pytest.mark.parametrize("value", ["inputs/x", f"inputs/{'A' * 64}", f"x/inputs/{'a' * 64}", "", 5])
def test_a_whole_input_is_named_by_its_hash_below_inputs(value):
    assert RequestMetadata(model_input=input_key("a" * 64)).model_input == f"inputs/{'a' * 64}"
    with pytest.raises(ValueError, match="model_input"):
        RequestMetadata.model_validate({"model_input": value})
