"""Data sets: what they hold, and what a user reads when a file is wrong."""

from __future__ import annotations

import gzip
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.data import DATASETS, Dataset, load
from ranvier.errors import RanvierError

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 0, 9, 1, 3], dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write(
    directory: Path,
    prefix: str,
    images: bytes = idx(IMAGES),
    labels: bytes = idx(LABELS),
    *,
    end: str = "",
    mark: str = "-",
) -> None:
    directory.mkdir(exist_ok=True)
    pack = gzip.compress if end else bytes
    (directory / f"{prefix}-images{mark}idx3-ubyte{end}").write_bytes(pack(images))
    (directory / f"{prefix}-labels{mark}idx1-ubyte{end}").write_bytes(pack(labels))


def refused(spec: str, split: str = "train") -> str:
    """The one issue a load is refused with, as its code and text."""
    with pytest.raises(RanvierError) as caught:
        load(spec, split)  # pyright: ignore[reportArgumentType]
    (issue,) = caught.value.issues
    return f"{issue.code} {issue}"


def test_digits_are_split_by_a_fixed_rule() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    train, test = load("digits", "train"), load("digits", "test")
    assert (train.x.shape, test.x.shape) == ((1198, 8, 8), (599, 8, 8))
    np.testing.assert_array_equal(test.x, images[2::3])
    np.testing.assert_array_equal(test.y, labels[2::3])
    np.testing.assert_array_equal(train.x[:4], images[[0, 1, 3, 4]])
    assert (train.x.dtype, train.y.dtype, train.classes) == (np.uint8, np.int64, 10)
    assert np.bincount(test.y).min() >= 50
    assert train.normalised().max() == 1.0


def test_digits_are_the_same_numbers_everywhere() -> None:
    """A hash that changes means other data, and so other results."""
    assert load("digits", "train").sha256.startswith("e9df9f5b8f6a975d")
    assert load("digits", "test").sha256.startswith("d8487bdaa9d16c09")


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize(
    ("prefix", "split"), [("train", "train"), ("t10k", "test"), ("test", "test")]
)
def test_mnist_files_under_every_usual_name(tmp_path, prefix, split, mark, end) -> None:
    write(tmp_path, prefix, end=end, mark=mark)
    got = load(f"mnist:{tmp_path}", split)
    np.testing.assert_array_equal(got.x, IMAGES)
    np.testing.assert_array_equal(got.y, LABELS)
    assert (got.name, got.split, len(got), got.peak) == ("mnist", split, 5, 255.0)


def test_compression_is_seen_from_the_content(tmp_path: Path) -> None:
    write(tmp_path, "train", images=gzip.compress(idx(IMAGES)))
    np.testing.assert_array_equal(load(f"mnist:{tmp_path}", "train").x, IMAGES)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    write(tmp_path / "a", "train")
    write(tmp_path / "b", "train", end=".gz")
    other = IMAGES.copy()
    other[0, 0, 0] ^= 1
    write(tmp_path / "c", "train", images=idx(other))
    a, b, c = (load(f"mnist:{tmp_path / d}", "train").sha256 for d in "abc")
    assert a == b != c


def test_a_dataset_cannot_be_changed(tmp_path: Path) -> None:
    write(tmp_path, "train")
    got = load(f"mnist:{tmp_path}", "train")
    for array in (got.x, got.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    own = IMAGES.copy()
    made = Dataset(
        name="own", split="test", x=own, y=LABELS.astype(np.int64), classes=10, peak=1, source=""
    )
    own[:] = 0
    np.testing.assert_array_equal(made.x, IMAGES)


@pytest.mark.parametrize("what", ["images", "labels"])
@pytest.mark.parametrize("end", ["", ".gz"])
@given(data=st.data())
def test_a_file_cut_anywhere_is_one_clear_error(what: str, end: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "train", end=end)
        (path,) = Path(folder).glob(f"train-{what}*")
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1), label="cut at")])
        told = refused(f"mnist:{folder}")
        assert path.name in told
        assert "copy or download the file again" in told


@given(content=st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "train", images=content)
        with pytest.raises(RanvierError):
            load(f"mnist:{folder}", "train")


def test_a_header_that_claims_too_much_allocates_nothing(tmp_path: Path) -> None:
    huge = struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3)
    write(tmp_path, "train", images=huge, end=".gz")
    assert "the file is cut short; got 16 bytes" in refused(f"mnist:{tmp_path}")


@pytest.mark.parametrize(
    ("images", "labels", "told"),
    [
        (idx(LABELS), idx(IMAGES), "interchanged"),
        (b"\x89PNG\r\n\x1a\n", idx(LABELS), "magic number 0x89504e47"),
        (idx(IMAGES), idx(LABELS[:4]), "got 5 images in train-images-idx3-ubyte, 4 labels"),
        (idx(IMAGES) + b"x", idx(LABELS), "longer than its header says"),
        (idx(IMAGES), idx(LABELS + 1), "label is out of range; got 1 to 10; allowed: 0 to 9"),
        (idx(IMAGES[:0]), idx(LABELS[:0]), "the set is empty"),
    ],
)
def test_files_that_are_wrong_are_told_apart(tmp_path, images, labels, told) -> None:
    write(tmp_path, "train", images, labels)
    assert told in refused(f"mnist:{tmp_path}")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    assert refused(f"mnist:{tmp_path / 'no'}").startswith("no-such-directory")
    told = refused(f"mnist:{tmp_path}", "test")
    assert "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte" in told
    assert "write 'mnist:DIR'" in refused("mnist")

    write(tmp_path / "raw", "train")
    assert f"did you mean 'mnist:{tmp_path / 'raw'}'?" in refused(f"mnist:{tmp_path}")
    (tmp_path / "raw" / "train-labels-idx1-ubyte").unlink()
    assert "only train-images-idx3-ubyte" in refused(f"mnist:{tmp_path / 'raw'}")


def test_a_folder_in_place_of_a_file_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "train")
    (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    assert "only train-labels-idx1-ubyte" in refused(f"mnist:{tmp_path}")


def test_two_test_sets_in_one_folder_are_not_chosen_between(tmp_path: Path) -> None:
    write(tmp_path, "t10k")
    write(tmp_path, "test")
    assert refused(f"mnist:{tmp_path}", "test").startswith("ambiguous-files")


def test_unknown_names_and_splits_are_helped() -> None:
    assert DATASETS.names() == ["digits", "mnist", "yinyang"]
    assert "digits, mnist, yinyang. did you mean 'mnist'?" in refused("minst:somewhere")
    assert "did you mean 'test'?" in refused("digits", "tests")
    assert "take no directory" in refused("digits:here")


def test_the_home_folder_may_be_written_short(tmp_path, monkeypatch) -> None:
    write(tmp_path / "m", "train")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load("mnist:~/m", "train")) == 5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"x": IMAGES.astype(np.int32)}, "wrong type"),
        ({"x": IMAGES[:4]}, "do not match"),
        ({"y": LABELS.astype(float)}, "one integer each"),
        ({"y": LABELS.astype(np.int64) - 1}, "out of range"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, told) -> None:
    parts = dict(name="own", split="train", x=IMAGES, y=LABELS, classes=10, peak=255, source="")
    with pytest.raises(RanvierError, match=told):
        Dataset(**parts | change)


@pytest.mark.data
def test_the_real_mnist(shared_data: Path) -> None:
    train = load(f"mnist:{shared_data / 'mnist' / 'dev'}", "train")
    assert train.x.shape == (60000, 28, 28)
    # The class counts of the published training set.
    published = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train.y).tolist() == published
