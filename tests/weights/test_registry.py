import json
from pathlib import Path

import pytest

from limner.checks import WeightsError
from limner.weights import file_path, list_weights, registry, weight_record


def test_list_weights_names_every_file_and_card():
    names = [record.name for record in list_weights()]
    assert names == sorted(names)
    assert {"blazepose-detector", "blazepose-full", "blazepose-heavy"} <= set(names)
    root = Path(registry.__file__).parent
    shipped = {path.name for path in (root / "files").iterdir() if path.is_file()}
    assert {record.file for record in list_weights()} == shipped
    for record in list_weights():
        assert (root / "cards" / f"{record.name}.md").read_text().startswith(f"# {record.name}")


@pytest.mark.parametrize("record", list_weights(), ids=lambda record: record.name)
def test_file_path_checks_every_shipped_file(record):
    path = file_path(record.name)
    assert path.name == record.file and path.stat().st_size > 0
    assert record.commercial in {"yes", "no", "unknown"} and record.licence


def test_weight_record_offers_the_nearest_name():
    with pytest.raises(WeightsError, match="did you mean 'blazepose-heavy'"):
        weight_record("blazepose_heavy")
    with pytest.raises(WeightsError, match="known are"):
        file_path("zzz")


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_FILES", tmp_path)
    monkeypatch.setattr(registry, "_CARDS", tmp_path)
    registry._records.cache_clear()
    yield tmp_path
    registry._records.cache_clear()


def card(**changes):
    fields = {name: "x" for name in ("network", "source", "licence", "sha256", "normalisation")}
    return json.dumps({"name": "a", "file": "a.bin", "commercial": "yes", "input_hw": [1, 1], **fields, **changes})


def test_file_path_refuses_a_damaged_and_a_missing_file(own_folders):
    (own_folders / "a.json").write_text(card())
    with pytest.raises(WeightsError, match="cannot be read"):
        file_path("a")
    (own_folders / "a.bin").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="are damaged: the checksum is"):
        file_path("a")


def test_cards_with_unknown_or_missing_fields_are_refused(own_folders):
    (own_folders / "a.json").write_text(card(licens="MIT"))
    with pytest.raises(WeightsError, match=r"a\.json has fields that mean nothing: licens"):
        list_weights()
    (own_folders / "a.json").write_text('{"name": "a", "input_hw": [1, 1]}')
    with pytest.raises(WeightsError, match=r"a\.json is incomplete"):
        list_weights()
