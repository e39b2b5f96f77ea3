import re

import numpy as np
import pytest

from dba_cli.plots import (
    Layout,
    choice_map,
    choice_rates,
    chosen_images,
    confusion,
    confusion_matrices,
    disagreements,
    drawn_images,
    layout,
)

from .samples import LONG, TITLE, assert_sound, trace

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 28, 28)).astype(np.uint8)
LABELS = np.arange(60) % 10


def small_rates():
    # Image 3 is never a candidate; image 0 twice, once chosen by the first layer and twice by the second.
    bits = {"first": [[1, 0], [0, 1]], "second": [[1, 1], [1, 0]]}
    return choice_rates(trace(bits, [[0, 1], [0, 2]]), 4)


def test_rates_by_hand():
    rates = small_rates()
    assert list(rates) == ["first", "second"]
    np.testing.assert_array_equal(list(rates.values()), [[0.5, 0, 1, np.nan], [1, 1, 0, np.nan]])


def test_the_map_sorts_each_class_by_its_mean():
    figure = choice_map(small_rates(), np.array([1, 1, 0, 0]))
    grid = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(grid.filled(-1), [[1, -1, 0.5, 0], [0, -1, 1, 1]])
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "1"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["first", "second"]


def test_many_images_share_columns_and_keep_their_mean():
    n = 3000
    chosen = np.random.default_rng(1).random(n) < 0.3
    rates = choice_rates(trace({"layer": [chosen]}, [np.arange(n)]), n)
    grid = choice_map(rates, np.arange(n) % 10).axes[0].images[0].get_array()
    assert grid.shape == (1, 600)
    assert grid.mean() == pytest.approx(chosen.mean())


@pytest.mark.parametrize("layers", [1, 2, 20])
def test_maps_are_sound(layers):
    names = [f"blocks.{k}.attention.projection" for k in range(layers)]
    bits = {name: [np.arange(60) % (k + 2) == 0] for k, name in enumerate(names)}
    rates = choice_rates(trace(bits, [np.arange(60)]), 60)
    assert_sound(choice_map(rates, LABELS, TITLE))
    assert_sound(chosen_images(rates, PIXELS, LABELS, TITLE))


def test_letters_in_pictures_follow_the_size_that_is_wanted():
    counts = confusion(LABELS, LABELS, 10)
    sizes = []
    for wanted in (8, 12):
        with layout(Layout(font_size=wanted)):
            drawn = [
                confusion_matrices([("a", counts)]),
                chosen_images(small_rates(), PIXELS[:4], LABELS[:4]),
            ]
        sizes.append([figure.axes[0].texts[0].get_fontsize() for figure in drawn])
    assert sizes == [[6, 6], [9, 9]]


def test_most_and_least_chosen():
    figure = chosen_images(small_rates(), PIXELS[:4], np.array([7, 8, 9, 6]))
    captions = [text.get_text() for text in figure.axes[0].texts]
    assert captions == ["9: 100 %", "8: 0 %", "7: 100 %", "9: 0 %"]
    canvas = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(canvas[:28, :28], PIXELS[2])


def test_the_drawn_images_stand_in_the_rows_of_their_classes():
    figure = drawn_images(PIXELS, LABELS, TITLE)
    assert_sound(figure)
    canvas = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(canvas[28:56, 28:56], PIXELS[11])  # class 1, its second image


def test_disagreements_both_ways():
    ours, theirs = LABELS.copy(), LABELS.copy()
    ours[5], theirs[[2, 14]], ours[20], theirs[20] = 9, [8, 1], 3, 4  # image 20: both wrong
    figure = disagreements(PIXELS, LABELS, ("dba", ours), ("sgd", theirs), TITLE)
    assert_sound(figure)
    first, second = figure.axes
    assert first.get_title(loc="left") == "dba is right, sgd is wrong: 2 of 60 test images"
    assert [text.get_text() for text in first.texts] == ["2 as 8", "4 as 1"]
    assert [text.get_text() for text in second.texts] == ["5 as 9"]
    np.testing.assert_array_equal(first.images[0].get_array()[:28, :28], PIXELS[2])
    # Of many, in whatever order the test set is, some of each class.
    in_order = np.sort(LABELS)
    figure = disagreements(PIXELS, in_order, ("dba", in_order), ("sgd", (in_order + 1) % 10))
    assert {text.get_text()[0] for text in figure.axes[0].texts} == set("0123456789")


def test_no_disagreement_is_said():
    names = (f"{LONG}_1", LABELS), (f"{LONG}_2_{LONG}", LABELS)
    figure = disagreements(PIXELS, LABELS, *names, TITLE)
    assert_sound(figure)
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [["none"], ["none"]]


def test_confusion_by_hand():
    counts = confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1], dtype=np.uint8), 3)
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    figure = confusion_matrices([("dba", counts)])
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert texts == {(0, 0): "50.0", (2, 0): "50.0", (1, 1): "100", (1, 2): "100"}  # (column, row)


@pytest.mark.parametrize("many", [1, 2, 3, 5])
def test_confusion_matrices_are_sound(many):
    counts = confusion(LABELS, np.roll(LABELS, 1), 10)
    assert_sound(confusion_matrices([(f"{LONG}_{i}", counts) for i in range(many)], TITLE))


@pytest.mark.parametrize("classes", [3, 120])
@pytest.mark.parametrize("shape", [(8, 8), (40, 60, 3)])
def test_classes_go_by_their_names_whatever_the_size_of_images_and_their_number(classes, shape):
    names = np.array([f"class {i:03d}" for i in range(classes)])
    pixels = np.random.default_rng(0).integers(0, 256, (240, *shape)).astype(np.uint8)
    labels = names[np.arange(240) % classes]
    rates = choice_rates(trace({"layer": [np.arange(240) % 3 == 0]}, [np.arange(240)]), 240)
    assert_sound(choice_map(rates, labels, TITLE))
    assert_sound(drawn_images(pixels, labels, TITLE))
    figure = chosen_images(rates, pixels, labels, TITLE)
    assert_sound(figure)
    assert figure.axes[0].texts[0].get_text() == "class 000:\n100 %"
    wrong = np.roll(labels, 1)
    figure = disagreements(pixels, labels, ("dba", labels), ("sgd", wrong), TITLE)
    assert_sound(figure)
    right, wrong_one = (int(word) for word in re.findall(r"class (\d+)", figure.axes[0].texts[1].get_text()))
    assert right == wrong_one + 1
    assert "\nas class" in figure.axes[0].texts[1].get_text()
    counts = confusion(np.arange(240) % classes, np.arange(240) % classes, classes)
    figure = confusion_matrices([("dba", counts)], TITLE, names)
    assert_sound(figure)
    assert figure.axes[0].get_xticklabels()[0].get_text() == "class 000"
