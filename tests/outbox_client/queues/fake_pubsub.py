"""A stand-in for Pub/Sub: its gRPC service as Google's library calls it, in a few lines.

It is no emulator. It has topics, pull subscriptions, deadlines that run out and are changed, and
acknowledgements that come too late; no ordering, no filters, no retention, no authentication.
"""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

_FAULTS = {
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "away": grpc.StatusCode.UNAVAILABLE,
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
}
"""What subscriptions of these names answer."""


@dataclass(kw_only=True)
class _Kept:
    message: types.PubsubMessage
    visible_at: float = 0.0
    ack_id: str = ""


class FakePubSub:
    """Of one project; a subscription has all that is published while it is there."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, tuple[str, int, dict[str, _Kept]]] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()

    def create_topic(self, request, context):
        return types.Topic(name=request.name)

    def create_subscription(self, request, context):
        deadline = request.ack_deadline_seconds or 10
        self._subscriptions[request.name] = (request.topic, deadline, {})
        return request

    def publish(self, request, context):
        ids = []
        with self._changed:
            for message in request.messages:
                message.message_id = str(next(self._numbers))
                ids.append(message.message_id)
                for topic, _, kept in self._subscriptions.values():
                    if topic == request.topic:
                        kept[message.message_id] = _Kept(message=message)
            self._changed.notify_all()
        return types.PublishResponse(message_ids=ids)

    def pull(self, request, context):
        _, deadline, kept = self._found(request.subscription, context)
        with self._changed:
            while context.is_active():
                now = time.monotonic()
                there = [one for one in kept.values() if one.visible_at <= now]
                if there:
                    return self._delivered(there[: request.max_messages], now + deadline)
                self._changed.wait(0.02)
        return types.PullResponse()

    def _delivered(self, some, visible_at):
        for one in some:
            one.visible_at, one.ack_id = visible_at, f"a-{next(self._numbers)}"
        received = [types.ReceivedMessage(ack_id=one.ack_id, message=one.message) for one in some]
        return types.PullResponse(received_messages=received)

    def acknowledge(self, request, context):
        _, _, kept = self._found(request.subscription, context)
        with self._changed:
            for number, one in list(kept.items()):
                if one.ack_id in request.ack_ids:
                    del kept[number]
        return Empty()

    def modify_ack_deadline(self, request, context):
        _, _, kept = self._found(request.subscription, context)
        with self._changed:
            for one in kept.values():
                if one.ack_id in request.ack_ids:
                    one.visible_at = time.monotonic() + request.ack_deadline_seconds
            self._changed.notify_all()
        return Empty()

    def _found(self, name, context):
        if name not in self._subscriptions:
            kind = _FAULTS.get(name.rpartition("/")[2], grpc.StatusCode.NOT_FOUND)
            context.abort(kind, "no such subscription")
        return self._subscriptions[name]


@contextlib.contextmanager
def running_fake_pubsub() -> Iterator[str]:
    """Its host and port, for PUBSUB_EMULATOR_HOST."""
    fake = FakePubSub()
    server = grpc.server(ThreadPoolExecutor(8))
    empty = Empty.SerializeToString
    services = {
        "Publisher": {
            "CreateTopic": (fake.create_topic, types.Topic, types.Topic.serialize),
            "Publish": (fake.publish, types.PublishRequest, types.PublishResponse.serialize),
        },
        "Subscriber": {
            "CreateSubscription": (
                fake.create_subscription,
                types.Subscription,
                types.Subscription.serialize,
            ),
            "Pull": (fake.pull, types.PullRequest, types.PullResponse.serialize),
            "Acknowledge": (fake.acknowledge, types.AcknowledgeRequest, empty),
            "ModifyAckDeadline": (
                fake.modify_ack_deadline,
                types.ModifyAckDeadlineRequest,
                empty,
            ),
        },
    }
    for service, methods in services.items():
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                method, request_deserializer=request.deserialize, response_serializer=serializer
            )
            for name, (method, request, serializer) in methods.items()
        }
        named = f"google.pubsub.v1.{service}"
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(named, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()
