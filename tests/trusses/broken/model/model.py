import uuid


class Model:
    def load(self):
        # In other words each time, for the same reason.
        raise ValueError(f"the weights are missing, says {uuid.uuid4().hex}")

    def predict(self, model_input):
        return model_input
