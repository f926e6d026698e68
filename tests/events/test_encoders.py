"""Encoders against closed counts, their promises about batching, and decoders by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.errors import RanvierError
from ranvier.events import ENCODERS, Events, Recording, decode, encode, encode_raster
from ranvier.events import encoders as enc
from ranvier.events.decoders import count, first

DT = 1e-3


@given(
    st.integers(1, 60),
    st.integers(0, 5),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.floats(0.05, 1),
)
def test_rate_gives_the_closed_count_evenly_spaced(
    active: int, quiet: int, x: list[float], per_tick: float
) -> None:
    ticks, peak = active + quiet, per_tick / DT
    events = enc.rate(x, ticks, DT, max_rate=peak, quiet=quiet)
    wanted = np.floor(np.array(x) * (min(1.0, peak * DT) * active) + 0.5).astype(int)
    np.testing.assert_array_equal(events.counts()[0], wanted)
    assert not len(events) or events.tick.max() < active
    for source in range(len(x)):
        gaps = np.diff(events.tick[events.id == source])
        assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_rate_at_full_half_and_no_intensity() -> None:
    raster = encode_raster("rate", [[0.0, 0.5, 1.0]], 6, DT)[:, 0].T.astype(int)
    assert raster.tolist() == [[0] * 6, [1, 0, 1, 0, 1, 0], [1] * 6]


def test_latency_is_linear_and_brighter_is_earlier() -> None:
    events = enc.latency([[1.0, 0.75, 0.5, 0.01, 0.0]], 11, DT, quiet=2)
    assert dict(zip(events.id.tolist(), events.tick.tolist(), strict=True)) == {
        0: 0, 1: 2, 2: 4, 3: 8,
    }  # fmt: skip
    assert len(enc.latency([[0.3, 0.6]], 10, DT, threshold=0.5)) == 1


def test_philox_gives_the_published_numbers() -> None:
    """Known answers of Philox-4x32-10: Random123 1.14, tests/kat_vectors."""

    def words(*values: int) -> list[np.ndarray]:
        return [np.array([v], np.uint64) for v in values]

    def drawn(counter: tuple[int, ...], key: tuple[int, int]) -> list[int]:
        c0, c1, c2, c3 = words(*counter)
        return [int(w[0]) for w in enc._philox(c0, c1, c2, c3, *key)]

    full = 0xFFFFFFFF
    assert drawn((0,) * 4, (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert drawn((full,) * 4, (full, full)) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert drawn(
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    ) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]  # fmt: skip


def test_poisson_has_the_right_mean_and_variance() -> None:
    x = np.repeat([[0.0, 0.1, 0.5, 1.0]], 4000, axis=0)
    counts = encode_raster("poisson", x, 25, DT, seed=3).sum(0)
    p = x[0]
    error = 5 * np.sqrt(25 * p * (1 - p) / 4000)  # five standard errors
    assert np.all(np.abs(counts.mean(0) - 25 * p) <= error)
    np.testing.assert_allclose(counts.var(0), 25 * p * (1 - p), rtol=0.12)


def test_poisson_depends_on_the_samples_number_not_on_the_batch() -> None:
    x = np.random.default_rng(0).random((9, 7))
    together = enc.poisson(x, 13, DT, seed=5)
    for k in (0, 4, 8):
        alone = enc.poisson(x[k], 13, DT, seed=5, samples=[k])
        assert alone.same_as(together.window(13 * k, 13 * (k + 1)))
    assert not enc.poisson(x, 13, DT, seed=6).same_as(together)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_events_and_raster_are_the_same_spikes_in_any_batching(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(1).random((5, 3, 4))
    whole = encode(name, x, 8, DT, seed=2)
    assert (whole.size, whole.ticks) == (12, 40)
    raster = encode_raster(name, x, 8, DT, seed=2)
    dense = raster.transpose(1, 0, 2).reshape(40, 12)
    assert Events.from_raster(dense, dt=DT).same_as(whole)
    monkeypatch.setattr(enc, "CELLS", 8 * 12 * 2)
    assert encode(name, x, 8, DT, seed=2).same_as(whole)


@pytest.mark.parametrize(
    ("encoder", "x", "ticks", "code"),
    [
        ("rats", [0.5], 10, "unknown-encoder"),
        ({"name": "rate", "options": {"max_rat": 1}}, [0.5], 10, "unknown-option"),
        ({"name": "rate", "options": {"max_rate": 2000.0}}, [0.5], 10, "encoder-rate"),
        ({"name": "rate", "options": {"quiet": 10}}, [0.5], 10, "encoder-ticks"),
        ("rate", [1.5], 10, "encoder-range"),
        ("rate", [float("nan")], 10, "encoder-range"),
        ("latency", [0.5], 0, "encoder-ticks"),
    ],
)
def test_mistakes_are_named(encoder: object, x: list[float], ticks: int, code: str) -> None:
    with pytest.raises(RanvierError) as caught:
        encode(encoder, x, ticks, DT)  # pyright: ignore[reportArgumentType]
    assert [i.code for i in caught.value.issues] == [code]


def recording(raster: np.ndarray, window: int) -> Recording:
    events = Events.from_raster(raster, dt=DT)
    return Recording(
        dt=DT, ticks=events.ticks, window=window, program_hash="", events={"out": events},
        counts={"out": events.counts(window)},
    )  # fmt: skip


def test_decoders_and_their_ties() -> None:
    raster = np.zeros((12, 3), int)
    raster[[1, 2], 2] = 1  # window 0: output 2 twice, output 0 once but first
    raster[0, 0] = 1
    raster[[5, 7], 1] = 1  # window 1: a tie of 1 and 2, which 2 begins
    raster[[4, 6], 2] = 1  # window 2: nothing
    made = recording(raster, 4)
    assert decode("count", made, "out").tolist() == [2, 1, -1]
    assert decode({"name": "first", "population": "out"}, made).tolist() == [0, 2, -1]
    assert first(made, "out").tolist() == [0, 2, -1]
    assert count([[0, 0], [1, 1], [1, 2]]).tolist() == [-1, 0, 1]


def test_decoder_mistakes_are_named() -> None:
    made = recording(np.ones((4, 2), int), 4)
    for decoder, population in (("most", "out"), ("count", "outt"), ("first", "outt")):
        with pytest.raises(RanvierError, match="unknown"):
            decode(decoder, made, population)
