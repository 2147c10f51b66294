"""What `@stored` does to a class beside Truss: nothing; and what it cannot store."""

import pytest

from truss_outbox import stored
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.serving.settings import settings_in

GIVEN = dict.fromkeys(["config", "data_dir", "environment", "lazy_data_resolver", "secrets"])


@stored
class Model:
    def __init__(self, config=None):
        self.config = config

    def predict(self, model_input):
        return model_input


def test_a_class_that_its_author_makes_is_the_authors_own():
    model = Model(config={"a": 1})
    assert isinstance(model, Model)
    assert (model.config, model.predict(2)) == ({"a": 1}, 2)


def test_what_truss_makes_is_wrapped_and_gets_what_it_takes():
    model = Model(**GIVEN | {"config": {"a": 1}})
    assert not isinstance(model, Model)
    assert model.config == {"a": 1}
    assert not hasattr(model, "postprocess")


def test_a_websocket_is_refused_at_load():
    @stored
    class Talking:
        async def websocket(self, websocket):
            pass

    with pytest.raises(ConfigurationError, match=r"websocket: .* take @stored away"):
        Talking(**GIVEN)


@pytest.mark.parametrize(
    "predict",
    [
        lambda self, model_input, request: None,
        lambda self, model_input, request, more: None,
    ],
)
def test_a_method_that_truss_would_refuse_is_refused(predict):
    wrong = stored(type("Wrong", (), {"predict": predict}))
    with pytest.raises(ConfigurationError, match=r"annotated as fastapi\.Request"):
        wrong(**GIVEN)


def test_a_chain_is_given_every_setting_and_nothing_else():
    environ = {
        "OUTBOX_ROOT": "s3://b/p",
        "OUTBOX_AWS_ROLE_ARN": "arn",
        "OUTBOX_S3_TAGS": "{}",
        "OUTBOX_HOME": "/home/somebody",
        "OUTBOX_REGION": "",
        "PATH": "/bin",
    }
    assert set(settings_in(environ)) == {"OUTBOX_ROOT", "OUTBOX_AWS_ROLE_ARN", "OUTBOX_S3_TAGS"}
