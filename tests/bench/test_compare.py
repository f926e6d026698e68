"""A trained classifier on several machines, and the page about it."""

from __future__ import annotations

import html as stdlib_html
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ranvier import apps, bench, chips, sim
from ranvier.bench import html
from ranvier.compile import compile
from ranvier.data import load
from ranvier.errors import Issue, RanvierError
from ranvier.events import Events
from ranvier.learn import Task

LIMIT = 40


@pytest.fixture(scope="module")
def compared() -> bench.Comparison:
    chips = ["loihi1", "spinnaker1", "loihi1+spinnaker1"]
    return bench.compare(apps.load("digits"), chips=chips, limit=LIMIT, chunk=16)


def test_figures_against_plain_runs(compared: bench.Comparison) -> None:
    network = apps.load("digits")
    task, data = Task.of(network), load("digits", "test")
    stimulus = task.stimulus(data.x[:LIMIT] / data.peak)
    spikes: dict[str, set[tuple[str, int, int]]] = {}
    for machine in compared.machines:
        program = compile(network, machine.name, dt=task.dt)
        found = sim.run(program, stimulus, window=task.ticks, reset=True,
                        record=["hidden1", "output"])  # fmt: skip
        assert machine.program_hash == program.hash
        assert machine.correct == int((task.predict(found) == data.y[:LIMIT]).sum())
        spikes[machine.name] = {
            (name, int(t), int(i))
            for name in ("hidden1", "output")
            for t, i in zip(found.output(name).tick, found.output(name).id, strict=True)
        }
        ideal, here = spikes["ideal"], spikes[machine.name]
        assert machine.identical.value == len(ideal & here) / len(ideal | here)
        outs = [{s for s in x if s[0] == "output"} for x in (ideal, here)]
        assert machine.identical_outputs.value == len(outs[0] & outs[1]) / len(outs[0] | outs[1])
        assert machine.accuracy.kind == "simulated"


def test_chunks_do_not_matter(compared: bench.Comparison) -> None:
    again = bench.compare(apps.load("digits"), chips=["loihi1"], limit=LIMIT, chunk=LIMIT)
    for name in ("ideal", "loihi1"):
        one, two = compared.machine(name), again.machine(name)
        assert (one.correct, one.shares) == (two.correct, two.shares)
    for kind in ("energy", "latency"):
        one, two = (x.machine("loihi1").per_inference(kind) for x in (compared, again))
        assert one is not None
        assert two is not None
        assert one.value == pytest.approx(two.value, rel=1e-12)
        assert one.kind == "estimated"
        assert one.source
    one, two = (x.machine("loihi1").divergence for x in (compared, again))
    assert one is not None
    assert two is not None
    assert (one.first, one.causes, one.values) == (two.first, two.causes, two.values)
    assert (compared.sample, compared.sample_label) == (again.sample, again.sample_label)


def test_many_small_batches_price_alike(
    compared: bench.Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ranvier.bench._compare.BUDGET", 1)
    again = bench.compare(apps.load("digits"), chips=["loihi1"], limit=LIMIT, chunk=7)
    one, two = (x.machine("loihi1").per_inference("energy") for x in (compared, again))
    assert one is not None
    assert two is not None
    assert one.value == pytest.approx(two.value, rel=1e-9)
    left, right = (
        {q.name: q.value for q in x.machine("loihi1").energy.breakdowns["unit"]}  # pyright: ignore[reportOptionalMemberAccess]
        for x in (compared, again)
    )
    assert left == pytest.approx(right, rel=1e-9)


def test_the_table_and_the_report(compared: bench.Comparison) -> None:
    names = [m.name for m in compared.machines]
    assert names == ["ideal", "loihi1", "spinnaker1", "loihi1+spinnaker1"]
    rows = compared.rows()
    assert all(set(row) == {"", "kind", *names} for row in rows)
    assert next(r for r in rows if r[""] == "energy per inference")["ideal"] == "–"
    text = compared.text()
    assert f"{LIMIT} of 599 test samples" in text
    assert "The first difference is at tick" in text
    report = compared.to_report()
    assert {q.where for q in report.quantities} == set(names)
    document = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert [m["name"] for m in document["machines"]] == names
    assert compared.machine("loihi1+spinnaker1").chips == 2


def test_the_whole_board_is_told(compared: bench.Comparison) -> None:
    assert compared.machine("spinnaker1").powered == (48, 1)
    assert compared.machine("ideal").powered is None
    row = next(r for r in compared.rows() if r[""].startswith("chips powered"))
    assert row["spinnaker1"] == "48, whole board (1 used)"
    assert row["loihi1"] == "1"
    assert "--powered used" in row[""]
    assert "--powered used" in compared.text()
    assert "--powered used" in html.render(compared)
    used = bench.compare(apps.load("digits"), chips=["spinnaker1"], limit=2, powered="used")
    assert used.machine("spinnaker1").powered == (1, 0)
    assert "--powered" not in used.text()


def test_a_shift_is_a_row_of_its_own_where_it_helps(compared: bench.Comparison) -> None:
    assert "after a constant shift" not in {r[""] for r in compared.rows()}
    rng = np.random.default_rng(0)
    a = Events.from_raster(rng.random((100, 9)) < 0.1, dt=1e-3)
    late = Events(a.tick + 1, a.id, a.size, a.ticks + 1, a.dt)
    one = replace(compared.machine("loihi1"), shares={"output": bench.share(a, late)})
    again = replace(compared, machines=(compared.machines[0], one))
    row = next(r for r in again.rows() if r[""] == "after a constant shift")
    assert row["loihi1"] == "100.00 % (output 1 tick)"
    assert row["ideal"] == "–"
    assert {"identical_spikes_shifted"} <= {q.name for q in one.quantities()}


def test_a_table_of_one_price_is_marked() -> None:
    table = chips.CostTable(
        name="thin",
        source="made up",
        energy=(
            chips.Coefficient(
                per="synaptic_op", unit="J", value=1e-12, evidence="derived", source="made up"
            ),
        ),
    )
    thin = replace(chips.get("loihi1"), name="thin", costs=(table,))
    found = bench.compare(apps.load("digits"), chips=[thin], limit=2, causes=False)
    row = next(r for r in found.rows() if r[""] == "energy per inference")
    assert "*" in row["thin"]
    assert "neuron_update" in found.text()


def test_mistakes_are_told(compared: bench.Comparison) -> None:
    network = apps.load("digits")
    with pytest.raises(RanvierError, match="did you mean 'loihi1'"):
        compared.machine("loihi")
    with pytest.raises(RanvierError, match="unknown cost table"):
        bench.compare(network, chips=["loihi1"], limit=2, cost_table="davies")
    with pytest.raises(RanvierError, match="unknown machine"):
        bench.compare(network, chips=["loihi1"], limit=2, cost_table={"loihi2": "x"})
    with pytest.raises(RanvierError, match="at least one sample"):
        bench.compare(network, chips=["loihi1"], limit=0)
    with pytest.raises(RanvierError, match="carries no recipe"):
        bench.compare(network.replace(metadata={}), chips=["loihi1"], limit=2)


def test_progress_counts_samples_of_every_machine() -> None:
    class Meter:
        total = done_ = 0

        def start(self, label: str, total: int) -> None:
            self.total = total

        def advance(self, amount: int = 1) -> None:
            self.done_ += amount

        def note(self, text: str) -> None:
            pass

        def done(self) -> None:
            pass

    meter = Meter()
    bench.compare(apps.load("digits"), chips=["loihi1"], limit=9, chunk=4, progress=meter)
    assert (meter.total, meter.done_) == (18, 18)


# -- the page -------------------------------------------------------------------------------------
VOID = {"meta", "br", "circle", "line", "path", "rect"}


class Checker(HTMLParser):
    """Every element closed in order, ids unique, nothing from outside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.named: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "action") or name.startswith("on"):
                self.links.append(f"{name}={value}")
            if name == "aria-labelledby":
                self.named += (value or "").split()
        text = self.get_starttag_text() or ""
        if tag not in VOID or (tag in ("rect", "circle", "line", "path") and "/>" not in text):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.named) <= set(checker.ids)
    assert checker.links == []
    assert not {"script", "link", "img", "iframe"} & set(checker.tags)
    assert "url(" not in page
    assert "@import" not in page
    return checker


def test_the_page_is_whole_and_says_everything(compared: bench.Comparison, tmp_path: Path) -> None:
    path = html.write(tmp_path / "report.html", compared)
    page = path.read_text(encoding="utf-8")
    words = " ".join(check(page).words)
    assert os.listdir(tmp_path) == ["report.html"]
    for row in compared.rows():
        assert row[""] in words
    for machine in compared.machines:
        assert machine.title in words
        assert machine.program_hash[:16] in words
        if machine.divergence is not None:
            assert machine.divergence.sentence() in words
        if machine.energy is not None:
            for q in machine.energy.breakdowns.get("coefficient", ()):
                assert q.source in words
    for text in (compared.network_hash, compared.dataset_hash, "Wilson", "time [ms]", "router x"):
        assert text in words
    assert page.count("<svg") == page.count('role="img"') == page.count("<desc")


HOSTILE = "<script>alert('1')</script>&\"]]>--><b onclick=x>"


def test_hostile_names_are_only_words(compared: bench.Comparison) -> None:
    issue = Issue(code="x", severity="approximate", where=HOSTILE, message=HOSTILE, got=HOSTILE)
    machines = tuple(
        replace(
            m,
            title=HOSTILE,
            source=HOSTILE,
            against=HOSTILE,
            labels=(issue,),
            energy=None if m.energy is None else replace(m.energy, issues=(issue,)),
            cores=tuple(replace(c, holds={HOSTILE: 3}, fullest=HOSTILE) for c in m.cores),
            divergence=None
            if m.divergence is None
            else replace(
                m.divergence,
                b=HOSTILE,
                notes=(HOSTILE,),
                causes=tuple(replace(x, detail=HOSTILE, cls=HOSTILE) for x in m.divergence.causes),
            ),
        )
        for m in compared.machines
    )
    task = {**compared.task, "encoder": {"name": HOSTILE}, "decoder": {"name": HOSTILE}}
    nasty = replace(
        compared,
        network=HOSTILE,
        dataset=HOSTILE,
        dataset_source=HOSTILE,
        task=task,
        machines=machines,
        left_out=(HOSTILE,),
        version=HOSTILE,
    )
    page = html.render(nasty, title=HOSTILE)
    checker = check(page)
    assert "<script" not in page
    assert "<b onclick" not in page
    assert any(HOSTILE in words for words in checker.words)
    assert stdlib_html.escape(HOSTILE) in page


def test_a_page_that_cannot_be_written_changes_nothing(
    compared: bench.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(RanvierError, match="does not exist"):
        html.write(tmp_path / "none" / "report.html", compared)
    with pytest.raises(RanvierError, match="is a directory"):
        html.write(tmp_path, compared)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RanvierError, match="No space left"):
        html.write(path, compared)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_the_raster_counts_what_the_machines_share(compared: bench.Comparison) -> None:
    page = html.render(compared)
    ideal = compared.machine("ideal").sample
    loihi = compared.machine("loihi1").sample
    both = sum(bench.share(ideal[n], loihi[n]).both for n in ("hidden1", "output"))
    either = sum(bench.share(ideal[n], loihi[n]).either for n in ("hidden1", "output"))
    told = re.search(r"(\d+) spikes on both, (\d+) on the ideal machine only, (\d+)", page)
    assert told is not None
    assert int(told[1]) == both
    assert sum(map(int, told.groups())) == either
    assert np.isfinite(either)
