"""Walking along a listing: whatever the store's order, all that is wanted is seen, in few calls."""

import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from outbox_client.bucket.listed import ListedPage, StoredObject
from outbox_client.bucket.walking import Span, Walker, by_bytes, by_folder

EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
NAMES = ["a", "a-b", "a.b", "a%2Fb", "a-", "ab", "A", "b", "~"]


def by_length(key):
    """No store's, but one that lists so must not be trusted."""
    return len(key), key


class Listing:
    """As much of a bucket as a walk needs, sorted by any order; counts its pages."""

    lists_in_order = True

    def __init__(self, keys, order, page_keys):
        self.keys = sorted(keys, key=order)
        self.order = order
        self.page_keys = page_keys
        self.calls = 0

    def pages(self, prefix, *, after):
        rest = [key for key in self.keys if after is None or self.order(key) > self.order(after)]
        for place in range(0, len(rest) + 1, self.page_keys):
            self.calls += 1
            keys = rest[place : place + self.page_keys]
            if keys:
                yield ListedPage.of(
                    [StoredObject(key=key, size=1, modified_at=EPOCH) for key in keys]
                )


def seen(walker, spans):
    return {key for page in walker.pages("", spans) for key in page.keys}


paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)


@settings(max_examples=150, deadline=None)
@given(
    there=st.sets(paths, max_size=40),
    sought=st.lists(st.sets(paths, max_size=20), min_size=1, max_size=3),
    order=st.sampled_from([by_bytes, by_folder, by_length]),
    page_keys=st.integers(1, 6),
)
def test_all_that_is_wanted_is_seen_in_any_order(there, sought, order, page_keys):
    listing = Listing({f"{path}.json" for path in there}, order, page_keys)
    walker = Walker(listing, page_keys=page_keys)
    for wanted in sought:  # a walker that knows more than at first misses nothing either
        spans = [Span(f"{path}.jso", f"{path}.json") for path in wanted]
        found = seen(walker, spans)
        if order is not by_length:
            assert {f"{path}.json" for path in wanted & there} <= found


@settings(max_examples=200, deadline=None)
@given(
    places=st.sets(st.integers(0, 199), max_size=60),
    order=st.sampled_from([by_bytes, by_folder]),
    page_keys=st.integers(1, 20),
)
def test_a_walk_costs_a_call_per_page_that_is_wanted_and_no_more_than_listing_all(
    places, order, page_keys
):
    keys = [f"{NAMES[place // 50]}/{place:03}.json" for place in range(200)]
    listing = Listing(keys, order, page_keys)
    walker = Walker(listing, page_keys=page_keys)
    all_pages = 200 // page_keys + 1
    for extra in (2, 0):  # to find out which order it is, once
        listing.calls = 0
        spans = [Span(keys[place][:-1], keys[place]) for place in places]
        assert {keys[place] for place in places} <= seen(walker, spans)
        assert listing.calls <= min(len(places), all_pages) + extra


def test_an_order_that_is_none_of_the_two_is_not_walked_along():
    keys = [f"{name}/{number}.json" for name in ("bbb", "a", "cc") for number in range(4)]
    walker = Walker(Listing(keys, by_length, 5), page_keys=5)
    spans = [Span(key[:-1], key) for key in keys]
    assert seen(walker, spans) == set(keys)
    assert not walker.can_jump
