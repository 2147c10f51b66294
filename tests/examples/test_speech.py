"""The speech example: real recordings become transcripts, stored or answered."""

import base64
import hashlib
import importlib.util
import io
import itertools
import json
import re

import pytest
from rapidfuzz.distance import Levenshtein

from tests.documentation.pages import block
from tests.tiny_truss import PROJECT

RECORDINGS = PROJECT / "scripts" / "examples" / "speech" / "recordings"
NAMES = ["best-of-times", "season-of-light", "in-short"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("moonshine_voice") is None, reason="scripts/test --all installs it"
    ),
]


@pytest.fixture(scope="module")
def speech(serving):
    with serving("speech") as example:
        yield example


def audio(content: bytes) -> dict:
    return {"audio": {"base64": base64.b64encode(content).decode()}}


def recording(name: str) -> dict:
    return audio((RECORDINGS / name).with_suffix(".ogg").read_bytes())


def said(name: str) -> str:
    return (RECORDINGS / name).with_suffix(".txt").read_text()


def word_error_rate(truth: str, heard: str) -> float:
    expected, found = (re.findall(r"[a-z']+", text.lower()) for text in (truth, heard))
    return Levenshtein.distance(expected, found) / len(expected)


def samples(name: str):
    import soundfile

    return soundfile.read((RECORDINGS / name).with_suffix(".ogg"), dtype="float32")


def encoded(values, rate: int, **options) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, values, rate, **{"format": "WAV", **options})
    return file.getvalue()


def clock(text: str) -> float:
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_becomes_a_transcript_subtitles_and_json(speech, job, name):
    manifest = speech.store(job, name, recording(name))

    assert {one.name for one in manifest.artifacts} == {"transcript.json", "transcript.srt"}
    transcript = json.loads(speech.file(manifest, "transcript.json"))
    assert manifest.result == {"text": transcript["text"]}
    assert word_error_rate(said(name), transcript["text"]) <= 0.1
    segments = transcript["segments"]
    assert len(segments) > 1
    assert " ".join(one["text"] for one in segments) == transcript["text"]
    subtitles = speech.file(manifest, "transcript.srt")
    cues = re.findall(r"(\d+)\n(\S+) --> (\S+)\n(.+)\n", subtitles)
    assert [(clock(start), clock(end), text) for _, start, end, text in cues] == [
        (one["start"], one["end"], one["text"]) for one in segments
    ]
    assert [number for number, *_ in cues] == [str(n + 1) for n in range(len(segments))]


def test_without_metadata_the_answer_is_the_text_alone(speech):
    answer = speech.predict(recording("in-short"))
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"text"}
    assert word_error_rate(said("in-short"), answer.json()["text"]) <= 0.1


def test_the_call_of_its_page_is_answered(speech):
    answer = json.loads(speech.run(block("sh", "in-short.ogg")))
    assert word_error_rate(said("in-short"), answer["text"]) <= 0.1


def test_the_companion_brings_the_transcripts_as_its_page_says(speech, tmp_path):
    command = block("sh", "--field audio").replace("--to results/", f"--to {tmp_path}")
    speech.run(command)
    for name in NAMES:
        transcript = json.loads((tmp_path / f"{name}.ogg" / "transcript.json").read_text())
        assert word_error_rate(said(name), transcript["text"]) <= 0.1


@pytest.mark.parametrize("form", [{"subtype": "PCM_24"}, {"subtype": "FLOAT"}, {"format": "FLAC"}])
def test_two_channels_at_another_rate_say_the_same(speech, form):
    import numpy as np
    import soxr

    values, rate = samples("best-of-times")
    left = soxr.resample(values, rate, 44_100)
    stereo = np.stack([left, left / 2], axis=1)
    copy = speech.predict(audio(encoded(stereo, 44_100, **form))).json()["text"]
    assert word_error_rate(said("best-of-times"), copy) <= 0.1


def test_a_recording_longer_than_a_minute_is_heard_to_its_end(speech, bucket, job):
    import numpy as np

    # The model hears a minute at a time; here that ends in the middle of what is said.
    first, second, third = (samples(name)[0] for name in NAMES)
    values = np.concatenate([first, np.zeros(25 * 16_000), second, third])
    assert len(values) > 60 * 16_000 > len(values) - len(third)
    content = encoded(values, 16_000)
    reference = f"inputs/{hashlib.sha256(content).hexdigest()}"
    bucket.put(reference, content)

    manifest = speech.store(job, "long", {"audio": {"input": reference}})

    transcript = json.loads(speech.file(manifest, "transcript.json"))
    assert word_error_rate(" ".join(map(said, NAMES)), transcript["text"]) <= 0.1
    segments = transcript["segments"]
    assert all(a["start"] < a["end"] <= b["end"] for a, b in itertools.pairwise(segments))
    assert segments[-1]["end"] > 60


def test_silence_is_an_empty_transcript(speech, job):
    manifest = speech.store(job, "silence", audio(encoded(silence(3, 16_000), 16_000)))
    assert manifest.result == {"text": ""}
    assert speech.file(manifest, "transcript.srt") == ""


def silence(seconds: int, rate: int):
    import numpy as np

    return np.zeros(seconds * rate, np.int16)


def bad_audio() -> dict:
    return {
        "no file": {},
        "no base64": {"audio": {"base64": "%%%"}},
        "empty file": audio(b""),
        "a text": audio(b"Dear Sir or Madam"),
        "half a FLAC": audio(encoded(samples("in-short")[0], 16_000, format="FLAC")[:50_000]),
        "no sound": audio(encoded([], 16_000)),
        "nine channels": audio(encoded([[0.0] * 9] * 99, 16_000)),
        "a rate of 400 Hz": audio(encoded([0.0] * 99, 400)),
        "no numbers": audio(encoded([float("nan")] * 99, 16_000, subtype="FLOAT")),
        "five hours": audio(encoded(silence(5 * 3600, 8_000), 8_000, format="FLAC")),
    }


def test_bad_audio_is_refused_by_name(speech):
    answers = {name: speech.predict(model_input) for name, model_input in bad_audio().items()}
    told = {name: (answer.status_code, answer.text) for name, answer in answers.items()}
    assert {n: one for n, one in told.items() if one[0] != 422 or "audio" not in one[1]} == {}
