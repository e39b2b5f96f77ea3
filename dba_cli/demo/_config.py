"""What the demo trains."""

from dba_cli.config import Config

NAME = "demo"

_SGD = {"kind": "sgd", "lr": 0.1}
_CONTENT = {
    "experiment": {
        "name": NAME,
        "description": "What `dba demo` trains: one hidden layer on 600 images of the embedded sample.",
    },
    "data": {"dataset": "mnist", "source": "embedded", "draw": {"per_class": 60}},
    "model": {"kind": "mlp", "hidden": [100]},
    "training": {"steps": 1000, "batch_size": 100, "evaluation": {"steps": 25}, "trace": True},
    # The rates of configs/base.yaml, the selection of the README's example: not picked for their figures.
    "optimizers": [
        {"name": "sgd", **_SGD},
        {"name": "adam", "kind": "adam", "lr": 0.001},
        {
            "name": "dba",
            "kind": "dba",
            "base": _SGD,
            "metric": "snr",
            "order": "projection",
            "min_fraction": 0.25,
        },
    ],
    "seeds": [0, 1, 2],
}


def demo_config(steps: int | None = None) -> Config:
    """Return the demo's config; with another number of steps it is another experiment, of another name."""
    config = Config.model_validate(_CONTENT)
    if steps is None or steps == config.training.steps:
        return config
    period = config.training.evaluation.model_copy(update={"steps": max(1, steps // 40)})
    return config.model_copy(
        update={
            "experiment": config.experiment.model_copy(update={"name": f"{NAME}_{steps}_steps"}),
            "training": config.training.model_copy(update={"steps": steps, "evaluation": period}),
        }
    )
