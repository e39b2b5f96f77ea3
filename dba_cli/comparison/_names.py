"""What optimizers are called where a person reads: one table for figures, reports and pages."""

# Of the shipped configs; those of the field are their authors' own words.
_NAMES = {
    "sgd_25": "SGD on a quarter",
    "adam_25": "Adam on a quarter",
    "momentum": "SGD with momentum",
    "sgd_on_all": "SGD on all candidates",
    "random": "random subsets",
    "alignment": "DBA by alignment",
    "projection": "DBA by projection",
    "variance": "DBA by variance",
    "dba_adam": "DBA on Adam",
    "dba_losses": "DBA by losses",
    "dba_model": "DBA, one subset",
    "dba_norms": "DBA by norms",
    "dba_snr": "DBA by SNR",
    "adam_alone": "Adam on trusted images alone",
    "adam_beside": "Adam on both",
    "agra_beside": "AGRA on both",
    "co_teaching": "co-teaching",
    "craig": "CRAIG",
    "elr": "early-learning regularisation",
    "gce": "generalised cross-entropy",
    "gce_beside": "generalised cross-entropy on both",
    "gradmatch": "GradMatch",
    "reweight_beside": "learning to reweight, on both",
    "small_loss": "iterative trimmed loss",
    "tilted": "tilted loss",
    "two_groups": "DivideMix's split",
}
_WORDS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "dba": "DBA", "snr": "SNR"}
_CONTROL = "random_for_"


def called(name: str) -> str:
    """Return an optimizer's name in words; one that is no shipped config's is taken apart at underscores.

    >>> called("gce"), called("random_for_dba"), called("my_rule")
    ('generalised cross-entropy', 'random subsets for DBA', 'my rule')
    """
    if name.startswith(_CONTROL):
        return f"random subsets for {called(name.removeprefix(_CONTROL))}"
    return _NAMES.get(name) or " ".join(_WORDS.get(word, word) for word in name.split("_"))
