"""What is searched for each optimizer, and how Optuna draws from it."""

from collections.abc import Mapping
from typing import Any

from dba_cli.config import Config, DBAConfig, OptimizerConfig, Range
from dba_cli.errors import UserError

Space = dict[str, list[Any] | Range]
_WIDTH = 30  # the default range of a learning rate, as a factor below and above the config's


def spaces(config: Config, asked: Mapping[str, list[Any] | Range]) -> dict[str, Space]:
    """Return for each optimizer what its keys may be, by their dotted keys in the config.

    A key such as ``lr`` is that of every optimizer, of the base optimizer where DBA has none of this name.
    Without any key it is the learning rate, from a thirtieth of the config's to thirty times as much.

    Raises:
        UserError: A key is none of an optimizer's, or an optimizer has nothing to search.
    """
    names = [entry.name for entry in config.optimizers]
    found: dict[str, Space] = {name: {} for name in names}
    for key, values in asked.items():
        section, _, rest = key.partition(".")
        if section == "optimizers":
            name = next((name for name in names if rest.startswith(f"{name}.")), None)
            if name is None:
                raise UserError(f"--space {key}: give optimizers.NAME.KEY with one of {', '.join(names)}")
            found[name][key] = values
        elif section in Config.model_fields:
            raise UserError(
                f"--space {key}: only keys of an optimizer are tuned, such as lr or optimizers.dba.size;"
                " data, network and length are the same for all"
            )
        else:
            for entry in config.optimizers:
                found[entry.name][_key_of(entry, key)] = values
    for entry in config.optimizers:
        if not asked and (rate := entry.base_optimizer.arguments.get("lr")):
            found[entry.name][_key_of(entry, "lr")] = Range(rate / _WIDTH, rate * _WIDTH, log=True)
        if not found[entry.name]:
            raise UserError(
                f"--space: {entry.name} has nothing to search; name a key of its, such as"
                f" optimizers.{entry.name}.KEY=V1,V2, or leave it out by --optimizer"
            )
    return found


def _key_of(entry: OptimizerConfig, key: str) -> str:
    inner = isinstance(entry, DBAConfig) and key.partition(".")[0] not in DBAConfig.model_fields
    return f"optimizers.{entry.name}.{'base.' * inner}{key}"


def distributions(space: Space) -> dict[str, Any]:
    """Return what Optuna draws from, by key."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for key, values in space.items():
        if not isinstance(values, Range):
            found[key] = CategoricalDistribution(range(len(values)))  # by position: a choice may be a list
        elif isinstance(values.low, int) and isinstance(values.high, int):
            found[key] = IntDistribution(values.low, values.high, log=values.log)
        else:
            found[key] = FloatDistribution(values.low, values.high, log=values.log)
    return found


def meant(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config's values for what Optuna drew; numbers to four digits, that can be typed again."""
    return {
        key: float(f"{drawn[key]:.4g}") if isinstance(drawn[key], float) else drawn[key]
        if isinstance(values, Range)
        else values[drawn[key]]
        for key, values in space.items()
    }  # fmt: skip


def at_the_end(space: Space, values: Mapping[str, Any]) -> list[str]:
    """Return the keys whose value is so near an end of its range that a better one may lie beyond."""
    ends = []
    for key, choices in space.items():
        if isinstance(choices, Range):
            low, high, value = (abs(number) for number in (choices.low, choices.high, values[key]))
            near = value <= low * 1.1 or value >= high / 1.1
        else:
            numbers = [each for each in choices if isinstance(each, int | float)]
            near = len(numbers) == len(choices) > 2 and values[key] in (min(numbers), max(numbers))
        if near:
            ends.append(key)
    return ends
