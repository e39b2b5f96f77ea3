"""What the README says was found, from ``claims.json``: a few sentences, and a row for each question."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from textwrap import fill

from dba_cli.comparison import called
from reproduction.claims import Claim, Figure, read_claims, said
from reproduction.markdown import number, table
from reproduction.paper import SMALL

Claims = Mapping[str, Claim]
_SAME = "no difference shown"
_WRONG = (20, 40, 60)  # per cent of the labels


def in_short(text: str) -> str:
    """Return what was found, on right labels and on wrong ones."""
    claims = read_claims(text)
    chance = _chance(claims)
    same = f"{_count(chance, _SAME)} of {len(chance)}"
    wrong = claims["noisy inputs 40 % wrong"]
    plain, peer = wrong.beside("adam"), wrong.hardest
    losses = claims["noisy inputs recipe 40 % wrong"].beside("dba_losses")
    assert peer.against
    helps = "it helps" if plain.verdict == "better" else "it does not help that we could show"
    outcome = {"better": "significantly less", "worse": "significantly more"}
    paper = "" if _so(*(each.own for each in _accuracies(claims))) == "Yes" else "not "
    sentences = (
        "On right labels, DBA's choice of samples does nothing that a random choice of as many does not do: "
        f"no difference is shown in {same} comparisons, and the paper's figures "
        f"are {paper}reached by it.",
        f"On wrong labels {helps}: where 40 % of 600 labels are wrong and every way has noise on its inputs, "
        f"DBA gets {said(wrong.own, 1)} % of the test images right and tuned Adam "
        f"{said(wrong.levels['adam'], 1)} %.",
        f"The best other remedy tried there, {_other(peer)}, tuned alike, gets "
        f"{said(wrong.levels[peer.against.name], 1)} %: "
        f"{outcome.get(peer.verdict, 'no difference is shown')}. Beside the same recipe on losses in the "
        f"place of gradients, DBA has {said(losses, 1, sign=True)} points ({losses.verdict}).",
    )
    return fill(" ".join(sentences), 110)


def answers(text: str) -> str:
    """Return the table of questions and answers."""
    claims = read_claims(text)
    return table(["question", "answer"], [row for answer in _ANSWERS if (row := answer(claims))])


def _paper(claims: Claims) -> Sequence[str]:
    found = _accuracies(claims)
    figures = " and ".join(
        f"{each.own.target} % from {draw.images}" for each, draw in zip(found, SMALL.values(), strict=True)
    )
    best = " and ".join(f"{said(c.strongest)} % ({called(c.strongest.of.name)})" for c in found)
    return (
        f"Does it reach the paper's {figures} images by selection alone?",
        f"**{_so(*(each.own for each in found))}.** DBA gets {_both(found)} of the test images right; the "
        f"best plain optimizer, tuned alike, gets {best}.",
    )


def _selection(claims: Claims) -> Sequence[str]:
    chance = _chance(claims)
    low, high = (each(chance, key=lambda figure: figure.mean) for each in (min, max))
    same = _count(chance, _SAME)
    shown = len(chance) - same
    return (
        "Does it matter which samples are chosen, where labels are right?",
        f"**{f'In {shown} of {len(chance)} comparisons' if shown else 'Not that we can show'}.** DBA's "
        f"difference from random subsets of the same sizes is between {said(low, sign=True)} and "
        f"{said(high, sign=True)} points; none is shown in {same} of {len(chance)} comparisons.",
    )


def _speed(claims: Claims) -> Sequence[str]:
    names = {"1pct": "600 images", "10_per_class": "100 images", "full": "all 60 000"}
    hardest = {draw: claims[f"speed {draw}"].hardest for draw in names}
    times = [f"with {names[draw]} {said(f, 1)} times as many as {_other(f)}" for draw, f in hardest.items()]
    return (
        "Does it train faster?",
        f"**{_so(*hardest.values())}.** Steps to an accuracy that was fixed beforehand: {_listed(times)}.",
    )


def _step_budget(claims: Claims) -> Sequence[str]:
    sizes = {hidden: [claims[f"step budget {draw}, {hidden}"] for draw in SMALL] for hidden in (100, 800)}
    parts = []
    for hidden, found in sizes.items():
        units = f"{hidden} hidden units{', as in the paper,' if hidden == 100 else ''}"
        beside = _beside([each.hardest for each in found], _other(found[0].hardest), 2)
        parts.append(f"With {units} it gets {_both(found)}, {beside}.")
    own = [each.own for found in sizes.values() for each in found]
    return (
        "And if all 60 000 labelled images are candidates, of which a step uses 600 or 100?",
        f"**{_so(*own)}.** {' '.join(parts)}",
    )


def _goals(claims: Claims) -> Sequence[str]:
    names = {
        "1pct": "600 random images",
        "10_per_class": "100 random images",
        "10_per_class_selected": "100 chosen images",
    }
    parts = []
    for draw, words in names.items():
        levels = claims[f"goal mnist_{draw}_deformed"].levels
        best = max(levels.values(), key=lambda each: each.mean)
        parts.append(f"{words}: {said(best)} % by {called(best.of.name)}, {said(levels['dba'])} % by DBA")
    return (
        "What does raise accuracy from so few images?",
        f"**New deformed copies of them in every step**, whatever the optimizer. {'; '.join(parts)}."
        + _taught(claims.get("taught 10_per_class")),
    )


def _taught(claim: Claim | None) -> str:
    """Return what the teacher is worth, on the same draws; nothing while that is not run."""
    if claim is None or claim.own is claim.figures[-1]:
        return ""
    more, copies = claim.hardest, number(claim.own.of.looked_at)
    return (
        f" With {copies} copies in all, a convolutional network that learns them first and then teaches "
        f"changes the accuracy from 100 images by {said(more, sign=True)} points ({more.verdict})."
    )


def _wrong_labels(claims: Claims) -> Sequence[str]:
    found = [claims[f"labels {share} % wrong"] for share in _WRONG]
    plain = [each.beside("sgd") for each in found]
    peers = [f"{said(each.hardest, 1, sign=True)} ({_other(each.hardest)})" for each in found]
    clean = claims["labels no wrong labels"].hardest
    hardest = [claims[f"noisy inputs {share} % wrong"].hardest for share in _WRONG]
    noisy = [f"{said(each, 1, sign=True)} ({_other(each)})" for each in hardest]
    still = claims["noisy inputs no wrong labels"].hardest
    return (
        "Does it help where labels are wrong?",
        f"**{_so(*plain)}.** With {_listed(_WRONG)} % of 600 labels wrong, DBA has {_beside(plain, 'SGD')}. "
        f"Its points beside the best other remedy tried: {_listed(peers)}. With no label wrong it has "
        f"{_beside([clean], _other(clean))}. With noise on the inputs of all, and fewer remedies tried: "
        f"{_listed(noisy)}, and with no label wrong {_beside([still], _other(still))}.",
    )


def _recipe(claims: Claims) -> Sequence[str]:
    names = {"dba_losses": "the same recipe on losses", "dba_model": "one subset for the whole network"}
    found = {name: [claims[f"recipe {share} % wrong"].beside(name) for share in _WRONG] for name in names}
    parts = [_beside(found[name], words) for name, words in names.items()]
    clean, *noisy = (
        claims[f"noisy inputs recipe {noise}"].beside("dba_losses")
        for noise in ("no wrong labels", *(f"{share} % wrong" for share in _WRONG))
    )
    so = _so(*(each for figures in found.values() for each in figures), clean, *noisy)
    return (
        "Is that because it looks at gradients, layer by layer?",
        f"**{'Not that we can show' if so == 'No' else so}.** With as many labels wrong, DBA has "
        f"{', and '.join(parts)}. With noise on the inputs of both it has "
        f"{_beside(noisy, 'the recipe on losses')}, and {said(clean, 1, sign=True)} with no label wrong.",
    )


def _map(claims: Claims) -> Sequence[str]:
    """Return what came out over all data; nothing while it is not run."""
    wrong = [claim for key, claim in claims.items() if re.match(r"map .* % (wrong|taken)", key)]
    if not wrong:
        return ()
    peers = [next(f for f in claim.figures if f.against and f.against.name != "sgd") for claim in wrong]
    plain = [claim.beside("sgd") for claim in wrong]
    return (
        "How often does it help, over all data with wrong labels?",
        f"**Better than SGD in {_count(plain, 'better')} of {len(wrong)} cases**, worse in "
        f"{_count(plain, 'worse')}; better than the best other remedy in {_count(peers, 'better')}, worse in "
        f"{_count(peers, 'worse')}.",
    )


_ANSWERS: Sequence[Callable[[Claims], Sequence[str]]] = (
    _paper,
    _selection,
    _speed,
    _step_budget,
    _goals,
    _wrong_labels,
    _map,
    _recipe,
)


def _so(*figures: Figure) -> str:
    """Return yes where every verdict is for DBA, no where none is, else in part."""
    wanted = [each.verdict in ("reached", "better", "costs less") for each in figures]
    return "Yes" if all(wanted) else "In part" if any(wanted) else "No"


def _accuracies(claims: Claims) -> list[Claim]:
    return [claims[f"accuracy {draw}"] for draw in SMALL]


def _chance(claims: Claims) -> list[Figure]:
    """Return DBA beside random subsets, where labels are right."""
    return [each for draw in SMALL for each in claims[f"selection {draw}"].figures]


def _count(figures: Sequence[Figure], verdict: str) -> int:
    return sum(each.verdict == verdict for each in figures)


def _both(claims: Sequence[Claim]) -> str:
    return " and ".join(f"{said(each.own)} %" for each in claims)


def _other(each: Figure) -> str:
    assert each.against
    return called(each.against.name)


def _beside(figures: Sequence[Figure], other: str, digits: int = 1) -> str:
    """Return differences to one other in words, with their signs where these differ."""
    means = [each.mean for each in figures]
    if min(means) < 0 < max(means):
        return f"{_listed([said(each, digits, sign=True) for each in figures])} points beside {other}"
    sizes = [said(replace(each, mean=abs(each.mean)), digits) for each in figures]
    return f"{_listed(sizes)} points {'less' if means[0] < 0 else 'more'} than {other}"


def _listed(parts: Sequence[object]) -> str:
    *first, last = map(str, parts)
    return f"{', '.join(first)} and {last}" if first else last
