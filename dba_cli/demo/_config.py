"""What the demo trains."""

from dba_cli.config import Config

_STEPS = 1000
_DESCRIPTION = "What `dba demo` trains: one hidden layer on 600 images of the embedded sample."
_SGD = {"kind": "sgd", "lr": 0.1}
# The rates of configs/base.yaml, the selection of the README's example: not picked for their figures.
_DBA = {"kind": "dba", "base": _SGD, "metric": "snr", "order": "projection", "min_fraction": 0.25}
_ADAM = {"kind": "adam", "lr": 0.001}


def demo_config(steps: int = _STEPS) -> Config:
    """Return the demo's config; with another number of steps it is another experiment, of another name."""
    return Config.model_validate(
        {
            "experiment": {
                "name": "demo" if steps == _STEPS else f"demo_{steps}_steps",
                "description": _DESCRIPTION,
            },
            "data": {"dataset": "mnist", "source": "embedded", "draw": {"per_class": 60}},
            "model": {"kind": "mlp", "hidden": [100]},
            "training": {
                "steps": steps,
                "batch_size": 100,
                "evaluation": {"steps": max(1, steps // 40)},
                "trace": True,
            },
            "optimizers": [{"name": "sgd", **_SGD}, {"name": "adam", **_ADAM}, {"name": "dba", **_DBA}],
            "seeds": [0, 1, 2],
        }
    )
