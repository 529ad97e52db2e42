import socket
import subprocess
import sys

import numpy as np
import pytest

from limner.checks import FileProblem, InputError, WeightsError
from limner.runtime import cache_folder, load_network
from limner.weights import file_path


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_load_network_answers_alike_with_and_without_a_cache(own_cache):
    path, batch = file_path("blazepose-detector"), np.linspace(-1, 1, 224 * 224 * 3, dtype=np.float32)
    batch = batch.reshape(1, 224, 224, 3)
    fresh = load_network(path, threads=1)(batch)
    assert any((own_cache / "networks").iterdir())
    again = load_network(path, threads=1)(batch)
    assert [output.shape for output in fresh] == [(1, 2254, 12), (1, 2254, 1)]
    for first, second in zip(fresh, again, strict=True):
        assert first.dtype == np.float32
        np.testing.assert_array_equal(first, second)


def test_load_network_survives_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file where the folder should be")
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "file" / "below"))
    assert cache_folder() is None
    assert load_network(file_path("blazepose-detector"), threads=1).input_shape == (1, 224, 224, 3)


def test_load_network_survives_damaged_cache_files(own_cache):
    path = file_path("blazepose-detector")
    load_network(path, threads=1)
    for blob in (own_cache / "networks").iterdir():
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])
    output = load_network(path, threads=1)(np.zeros((1, 224, 224, 3), np.float32))
    assert np.isfinite(output[0]).all()


def test_network_outputs_are_not_overwritten_by_the_next_call():
    network = load_network(file_path("blazepose-detector"), threads=1)
    first = network(np.zeros((1, 224, 224, 3), np.float32))[0]
    kept = first.copy()
    network(np.ones((1, 224, 224, 3), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_network_refuses_another_shape():
    network = load_network(file_path("blazepose-detector"), threads=1)
    with pytest.raises(InputError, match=r"shape \(1, 224, 224, 3\), got \(1, 3, 224, 224\)"):
        network(np.zeros((1, 3, 224, 224), np.float32))


def test_load_network_refuses_bad_files_and_threads(tmp_path):
    with pytest.raises(FileProblem, match="does not exist"):
        load_network(tmp_path / "absent.tflite")
    (tmp_path / "text.tflite").write_text("no network")
    with pytest.raises(WeightsError, match="is no network that can be read"):
        load_network(tmp_path / "text.tflite")
    with pytest.raises(InputError, match="threads must be at least 1"):
        load_network(file_path("blazepose-detector"), threads=0)


def test_load_network_opens_no_connection(monkeypatch):
    tried = []

    def refuse(*where):
        tried.append(where)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load_network(file_path("blazepose-detector"), threads=1)
    assert tried == []


def test_importing_the_room_loads_no_runtime():
    code = "import sys, limner.runtime; sys.exit('openvino' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
