class Model:
    def load(self):
        raise ValueError("the weights are missing")

    def predict(self, model_input):
        return model_input
