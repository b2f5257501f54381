import numpy as np
import pytest

from starting_kit.errors import InputError
from starting_kit.tasks import forget_requests
from starting_kit.tasks.data import DataSet, random_splits

CLASSES = 4


@pytest.fixture
def data():
    """A hundred images of 4 classes and 20 people, 80 of them for training."""
    rng = np.random.default_rng(0)
    training, validation, test = random_splits(100, (80, 10), seed=1)
    labels, subjects = np.arange(100) % CLASSES, rng.permutation(np.arange(100) % 20)
    return DataSet(np.zeros((100, 1, 2, 2), np.uint8), labels, training, validation, test, subjects, forget=training[:7])


def choose(text, data):
    return forget_requests.choose(forget_requests.parse(text), data, CLASSES, seed=0)


def test_random_takes_a_fraction_of_the_training_data(data):
    forget, labels = choose("random:0.25", data)
    assert len(np.unique(forget)) == 20
    assert np.isin(forget, data.training).all()
    assert labels is data.labels


def test_class_takes_all_of_a_class(data):
    forget, _ = choose("class:3", data)
    assert sorted(forget) == sorted(i for i in data.training if data.labels[i] == 3)


def test_subject_takes_all_images_of_so_many_people(data):
    forget, _ = choose("subject:3", data)
    people = set(data.subjects[forget])
    assert len(people) == 3
    assert people.isdisjoint(data.subjects[np.setdiff1d(data.training, forget)])


def test_mislabelled_makes_every_label_of_the_forget_set_wrong_and_no_other(data):
    forget, labels = choose("mislabelled:0.25", data)
    assert len(forget) == 20
    assert (labels[forget] != data.labels[forget]).all()
    assert len(np.unique((labels - data.labels)[forget] % CLASSES)) == CLASSES - 1
    others = np.setdiff1d(np.arange(100), forget)
    np.testing.assert_array_equal(labels[others], data.labels[others])
    assert ((labels >= 0) & (labels < CLASSES)).all()
    np.testing.assert_array_equal(data.labels, np.arange(100) % CLASSES)  # the data set itself is as it was


def test_file_takes_what_it_lists_in_either_format(data, tmp_path):
    ids = data.training[[5, 2, 9]]
    np.savetxt(tmp_path / "ids.txt", ids, fmt="%d")
    np.save(tmp_path / "ids.npy", ids)
    for name in ("ids.txt", "ids.npy"):
        forget, _ = choose(f"file:{tmp_path / name}", data)
        assert sorted(forget) == sorted(ids)


def test_a_file_is_known_by_its_content_not_by_its_place(data, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for place, lines in ((tmp_path, "1\n2\n"), (tmp_path / "elsewhere", "2\n1\n")):
        (place / "ids.txt").write_text(lines)
    same = [str(forget_requests.parse(f"file:{place / 'ids.txt'}")) for place in (tmp_path, tmp_path / "elsewhere")]
    assert same[0] == same[1]
    (tmp_path / "ids.txt").write_text("1\n3\n")
    assert str(forget_requests.parse(f"file:{tmp_path / 'ids.txt'}")) != same[0]


def test_own_takes_the_forget_set_of_the_data(data):
    assert sorted(choose("own", data)[0]) == sorted(data.forget)


@pytest.mark.parametrize(
    "text",
    ["", "random", "random:0", "random:1", "random:many", "class:-1", "class:x", "subject:0", "mislabelled:2", "file:", "all"],
)
def test_what_is_no_request_is_told_what_a_request_is(text):
    with pytest.raises(InputError, match="is not random:FRACTION, class:ID, subject:COUNT"):
        forget_requests.parse(text)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("one\n", "cannot be read as ids"),
        ("", "holds no list of whole numbers"),
        ("1\n1\n", "lists some examples twice"),
    ],
)
def test_a_file_without_ids_is_refused(content, complaint, tmp_path):
    (tmp_path / "ids.txt").write_text(content)
    with pytest.raises(InputError, match=complaint):
        forget_requests.parse(f"file:{tmp_path / 'ids.txt'}")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"missing.npy cannot be read as ids of examples"):
        forget_requests.parse(f"file:{tmp_path / 'missing.npy'}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("class:4", "the classes are 0 to 3"),
        ("subject:20", "has 20 subjects, and some must be left"),
        ("random:0.001", "leaves 80 of 80 training examples"),
    ],
)
def test_a_request_that_the_data_cannot_meet(text, complaint, data):
    with pytest.raises(InputError, match=complaint):
        choose(text, data)


def test_examples_outside_the_training_data_cannot_be_forgotten(data, tmp_path):
    for example, complaint in ((data.test[0], "not in the training data"), (100, "no example"), (-1, "no example")):
        (tmp_path / "ids.txt").write_text(f"{data.training[0]}\n{example}\n")
        with pytest.raises(InputError, match=f"1 of its ids cannot be forgotten; {example} is {complaint}"):
            choose(f"file:{tmp_path / 'ids.txt'}", data)


def test_data_without_people_or_a_forget_set_say_so(data):
    plain = DataSet(data.images, data.labels, data.training, data.validation, data.test)
    with pytest.raises(InputError, match="not known of whom"):
        choose("subject:1", plain)
    with pytest.raises(InputError, match="brings no forget set"):
        choose("own", plain)
