"""Bundles: whatever is done to one, the reader gets the same content or one clear error."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as tensors

sys.path.insert(0, str(Path(__file__).parent))
from bundles import attempt, content, network, recording, snapshot
from ranvier import bundle
from ranvier.bundle import content_hash, read_bundle, write_bundle
from ranvier.compile import compile, load_program
from ranvier.errors import RanvierError
from ranvier.events import (
    State,
    load_recording,
    write_events,
)
from ranvier.network import load


def write(kind: str, folder: Path) -> Path:
    if kind == "recording":
        return recording().save(folder / "recording")
    if kind == "events.parquet":
        write_events(recording().events["g"], folder / kind)
        return folder / kind
    if kind.startswith("network"):
        return network().save(folder / kind)
    return compile(network(), "ideal", dt=1e-3).save(folder / kind)


KINDS = ("network", "network.rvn", "program", "program.rvp", "recording", "events.parquet")


def files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def one_clear_error(read: Callable[[], Any], expected: Any = None) -> None:
    """The expected content, or exactly one issue."""
    found, error = attempt(read)
    if error is None:
        assert expected is not None, "damage went unnoticed"
        assert found == expected
        return
    (issue,) = error.issues
    assert issue.where
    assert issue.message


@pytest.mark.parametrize("kind", KINDS)
def test_cut_short_anywhere(kind: str, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    content(path)
    for file in files(path):
        whole = file.read_bytes()
        step = max(1, len(whole) // 60)
        for length in [*range(0, len(whole), step), len(whole) - 1]:
            file.write_bytes(whole[:length])
            one_clear_error(lambda: content(path))
        file.write_bytes(whole)
    for file in files(path):
        whole = file.read_bytes()
        file.unlink()
        one_clear_error(lambda: content(path))
        file.write_bytes(whole)
    content(path)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(data=st.data())
def test_one_byte_changed_anywhere(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"flips-{kind}"
    if not folder.exists():
        folder.mkdir()
        write(kind, folder)
    path = folder / kind
    expected = content(path)
    file = data.draw(st.sampled_from(files(path)))
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = whole[at] ^ data.draw(st.integers(1, 255))
    file.write_bytes(whole[:at] + bytes([other]) + whole[at + 1 :])
    try:
        one_clear_error(lambda: content(path), expected)
    finally:
        file.write_bytes(whole)


# -- hostile: every hash right, the content wrong -------------------------------------------------
def forge(
    path: Path,
    kind: str,
    document: bytes,
    arrays: bytes,
    *,
    honest: bool = True,
    compress: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """A bundle with a manifest that fits, as an attacker would write it."""
    try:
        from safetensors.numpy import load as untensors

        found = content_hash(json.loads(document), untensors(arrays))
    except Exception:
        found = "0" * 64
    members = {"document.json": document, "arrays.safetensors": arrays}
    manifest = {
        "ranvier": kind,
        "format": 1,
        "content": found if honest else "0" * 64,
        "members": {
            k: {"sha256": hashlib.sha256(v).hexdigest(), "bytes": len(v)}
            for k, v in members.items()
        },
    }
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, blob in members.items():
            archive.writestr(name, blob)
    return path


@pytest.mark.parametrize(
    "document",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b"\xff\xfe",
        b'{"a":' + b"9" * 10_000 + b"}",
        b"",
        b"{",
        b"null trailing",
    ],
    ids=lambda d: repr(d[:12]),
)
def test_json_that_is_no_document(document: bytes, tmp_path: Path) -> None:
    path = forge(tmp_path / "b.zip", "network", document, tensors({}))
    one_clear_error(lambda: read_bundle(path))
    one_clear_error(lambda: load(path))


@pytest.mark.parametrize(
    "document", [b"null", b"[]", b"3", b'"x"', b"{}", b'{"populations":{}}', b'{"$array":"x"}']
)
def test_documents_of_another_shape(document: bytes, tmp_path: Path) -> None:
    for kind, read in (
        ("network", load), ("program", load_program), ("state", State.load),
    ):  # fmt: skip
        path = forge(tmp_path / f"{kind}.zip", kind, document, tensors({}))
        assert read_bundle(path) is not None
        one_clear_error(lambda path=path, read=read: read(path))


@pytest.mark.parametrize(
    "arrays",
    [
        b"",
        b"\x00" * 8,
        b"\xff" * 8 + b"{}",
        (100).to_bytes(8, "little") + b"{}",
        (60).to_bytes(8, "little")
        + b'{"a":{"dtype":"F64","shape":[99999999],"data_offsets":[0,8]}}'[:60],
        (62).to_bytes(8, "little")
        + b'{"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}       '[:62]
        + b"\0" * 8,
    ],
    ids=["empty", "zero", "huge header", "short", "wrong shape", "bfloat"],
)
def test_arrays_that_are_none(arrays: bytes, tmp_path: Path) -> None:
    path = forge(tmp_path / "b.zip", "network", b"{}", arrays)
    one_clear_error(lambda: read_bundle(path))


def test_bombs_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "bomb.rvn"
    network().save(path)
    zeros = 3 * 2**30
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps({
            "ranvier": "network", "format": 1, "content": "", "members": {
                k: {"sha256": "", "bytes": 2} for k in bundle.MEMBERS[1:]}}))  # fmt: skip
        archive.writestr("document.json", "{}")
        archive.writestr("arrays.safetensors", b"\0" * 10_000)
    claims = bytearray(path.read_bytes())
    # The central directory says three gigabytes; then ten bytes of a member that has 10 000.
    for size in (zeros, 10):
        raw = bytes(claims).replace((10_000).to_bytes(4, "little"), size.to_bytes(4, "little"))
        path.write_bytes(raw)
        with pytest.raises(RanvierError) as caught:
            load(path)
        assert len(caught.value.issues) == 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.json", "{}")
    with pytest.raises(RanvierError, match="in a way that we never write"):
        load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * (bundle.MAX_MANIFEST_BYTES + 1))
    with pytest.raises(RanvierError, match=r"manifest\.json is too large"):
        load(path)


def test_large_members_are_stored_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "MAX_DEFLATED_BYTES", 100)
    path = network().save(tmp_path / "n.rvn")
    with zipfile.ZipFile(path) as archive:
        kinds = {i.filename: i.compress_type for i in archive.infolist()}
    assert kinds["arrays.safetensors"] == zipfile.ZIP_STORED
    assert load(path).hash == network().hash


def test_wrong_kinds_and_places(tmp_path: Path) -> None:
    net = network().save(tmp_path / "n.rvn")
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: load_program(net), "is another kind of bundle; got network; allowed: program"),
        (lambda: load(tmp_path / "no.rvn"), "does not exist"),
        (lambda: load(tmp_path / ("x" * 300)), "does not exist"),
        (lambda: load(tmp_path), "it has no manifest.json"),
        (lambda: load(Path(os.devnull)), "is neither a file nor a directory"),
        (lambda: network().save(tmp_path / "no" / "n.rvn"), "mkdir -p"),
        (lambda: load_recording(net), "is not a recording directory"),
    ]
    for action, message in cases:
        with pytest.raises(RanvierError) as caught:
            action()
        assert message in str(caught.value)
        assert len(caught.value.issues) == 1
    manifest = json.loads((write("network", tmp_path) / "manifest.json").read_text())
    for change, message in (
        ({"format": 2}, "was written in another format version; got 2; allowed: 1. upgrade"),
        ({"members": []}, "has no readable manifest"),
        ({"members": {}}, "member document.json is missing"),
        ({"content": None}, "content does not match the manifest"),
    ):
        text = json.dumps({**manifest, **change})
        (tmp_path / "network" / "manifest.json").write_text(text)
        with pytest.raises(RanvierError) as caught:
            load(tmp_path / "network")
        assert message in str(caught.value)


def test_what_is_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "manifest.json").write_text("{}")
    (tmp_path / "folder" / "thesis.tex").write_text("mine too")
    before = snapshot(tmp_path)
    for place in ("notes", "folder"):
        for save in (network().save, recording().save):
            with pytest.raises(RanvierError, match="in the way"):
                save(tmp_path / place)
    assert snapshot(tmp_path) == before


@settings(max_examples=30)
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    ),
    shape=st.lists(st.integers(0, 3), max_size=3),
    dtype=st.sampled_from(["f8", "f4", "i8", "i4", "u1", "?"]),
    zipped=st.booleans(),
)  # fmt: skip
def test_there_and_back(
    document: Any, shape: list[int], dtype: str, zipped: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("b") / ("b.zip" if zipped else "b")
    arrays = {"x": np.ones(shape, dtype), "y/z": np.arange(3)}
    _, error = attempt(lambda: write_bundle(path, "test", document, arrays))
    if error is not None:  # text that is not Unicode
        assert "that JSON cannot" in str(error)
        assert not path.exists()
        return
    first = path.read_bytes() if zipped else b""
    found, back = read_bundle(path, "test")
    assert found == document
    assert content_hash(found, back) == content_hash(document, arrays)
    assert {k: (v.dtype, v.shape) for k, v in back.items()} == {
        k: (v.dtype, v.shape) for k, v in arrays.items()
    }
    write_bundle(path, "test", document, arrays)
    assert not zipped or path.read_bytes() == first


@pytest.mark.parametrize("document", [{"a": float("nan")}, {"a": {1, 2}}, {(1, 2): 3}])
def test_what_json_cannot_hold_is_refused(document: Any, tmp_path: Path) -> None:
    with pytest.raises(RanvierError, match="that JSON cannot"):
        write_bundle(tmp_path / "b.zip", "test", document, {})
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(RanvierError, match="nested deeper"):
        write_bundle(tmp_path / "b.zip", "test", deep, {})
    assert not list(tmp_path.iterdir())
