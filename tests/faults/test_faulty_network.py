"""Many requests over a network that loses, repeats, delays and breaks every other call."""

import dataclasses
import hashlib
import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import HTTPException

from tests.faults import scenario
from tests.faults.fault_plan import Fault, FaultPlan
from tests.faults.faulty_network import FaultyNetwork, Strike, faulty_network
from tests.faults.places import Place, all_keys
from tests.faults.reader import Reader
from tests.faults.scenario import REPEATED, tiny_outbox
from truss_outbox.contract.keys import (
    artifact_key,
    failure_key,
    input_key,
    manifest_key,
    new_attempt,
)
from truss_outbox.contract.manifest import Manifest
from truss_outbox.stores import RetryingStore

SEED = 3
CALLERS = 48
TRIES = 12
"""More than Baseten makes, as every other call fails here."""


def model_input(number: int) -> dict[str, object]:
    """A text, a claim-checked document, or a result large enough to be torn."""
    metadata = {"job": "J", "item": f"{number:04}"}
    match number % 3:
        case 0:
            return {"metadata": metadata, "text": words(number)}
        case 1:
            return {"metadata": metadata, "document": {"input": document(number)[0]}}
        case _:
            return {"metadata": metadata, "text": words(number), "artifact_bytes": 100_000}


def words(number: int) -> str:
    return "word " * (number % 7 + 1) + str(number)


def document(number: int) -> tuple[str, bytes]:
    data = words(number).encode()
    return input_key(hashlib.sha256(data).hexdigest()), data


class Watch(threading.Thread):
    """Reads every manifest as soon as it is listed, beside the faults."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.readers: dict[str, Reader] = {}
        self._place, self._store, self._ended = place, place.open(), threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.2):
            self.look()

    def look(self) -> None:
        for key in all_keys(self._place):
            if key.startswith("manifests/") and key not in self.readers:
                name = key.removeprefix("manifests/").removesuffix(".json")
                self.readers[key] = Reader(self._store, name)
                self.readers[key].look()

    def end(self) -> list[str]:
        """What it saw that was promised never to be seen, also in a last look at everything."""
        self._ended.set()
        self.join()
        self.look()
        for reader in self.readers.values():
            reader.look()
        return [complaint for reader in self.readers.values() for complaint in reader.complaints]


def send_all(place: Place, count: int, *, read_timeout: float) -> list[Strike]:
    """Send the requests, and check everything that is promised of them."""
    direct = place.open()
    for key, data in {document(number) for number in range(1, count, 3)}:
        direct.create(key, data, content_type="text/plain")
    assert place.options is not None
    with faulty_network(
        str(place.options.endpoint_url),
        FaultPlan(SEED),
        root=place.root.removeprefix("s3:/"),
        stall_seconds=read_timeout * 1.5,
    ) as network:
        options = dataclasses.replace(
            place.options, endpoint_url=network.url, store_read_timeout_seconds=read_timeout
        )
        store = dataclasses.replace(place, options=options).open()
        outbox = tiny_outbox(RetryingStore(store, timeout_seconds=5), pending=CALLERS)
        watch = Watch(place)
        watch.start()
        try:
            with ThreadPoolExecutor(CALLERS) as callers:
                answers = list(callers.map(lambda n: insist(outbox, n), range(count)))
        finally:
            complaints = watch.end()
    assert complaints == []
    check_all(place, answers, watch.readers)
    return network.strikes


def insist(outbox, number: int) -> Manifest:
    """Send a request as often as Baseten does and more, until it is answered."""
    for _ in range(TRIES):
        try:
            return scenario.answer(outbox, model_input(number), f"R{number}")
        except HTTPException as error:
            if error.status_code not in REPEATED:
                raise
    raise AssertionError(f"request {number} is lost")


def check_all(place: Place, answers: list[Manifest], readers: dict[str, Reader]) -> None:
    """One result for each request, of its own content, the one its caller was told of."""
    expected = [f"manifests/job=J/{number:04}.json" for number in range(len(answers))]
    assert [key for key in all_keys(place) if key.startswith("manifests/")] == expected
    for number, (key, told) in enumerate(zip(expected, answers, strict=True)):
        manifest = readers[key].look()
        assert manifest == told
        assert manifest.result == {"words": len(words(number).split())}
        upper = next(a for a in manifest.artifacts if a.name == "upper.txt")
        assert upper.sha256 == hashlib.sha256(words(number).upper().encode()).hexdigest()


def place_for(options) -> Place:
    return Place(root=f"s3://outbox/network-{uuid.uuid4().hex}", options=options)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [20, 2000])
def test_nothing_is_lost_doubled_or_torn(count, seaweedfs_options):
    strikes = send_all(place_for(seaweedfs_options), count, read_timeout=1)
    shares = {
        fault: times / len(strikes) for fault, times in Counter(s.fault for s in strikes).items()
    }
    assert all(0.02 < shares[fault] < 0.09 for fault in Fault), shares


def test_the_same_seed_strikes_the_same_calls():
    assert struck(SEED) == struck(SEED) != struck(SEED + 1)


def struck(seed: int) -> list[str]:
    """What befalls the same calls, below another root, in other attempts, in another order."""
    root = f"/outbox/{uuid.uuid4().hex}"
    calls = [("GET", manifest_key("job=J/I"))] * 50
    for key in ("job=J/I", "job=J/a%2Fb"):
        attempt = new_attempt()
        calls += [("PUT", artifact_key(key, attempt, "upper.txt"))] * 50
        calls += [("PUT", failure_key(key, attempt))] * 50
    random.shuffle(calls)
    with FaultyNetwork("http://127.0.0.1", FaultPlan(seed), root=root, stall_seconds=0) as network:
        for method, key in calls:
            network.fault(method, f"{root}/{key}")
    return sorted(map(str, network.strikes))
