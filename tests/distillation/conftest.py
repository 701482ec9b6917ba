"""Files of distilled forms, and a sample for their losses."""

import json

import numpy as np
import pytest
from samples import make_sample
from written_forms import content

from metadisco.discoveries.distilled import FILE


@pytest.fixture
def written(tmp_path):
    """Write a file of forms, and return its path."""

    def write(data=None, name=FILE, **changes):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content(**changes) if data is None else data), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    return make_sample(*rng.normal(size=(5, 40)) * np.array([0.3, 1, 2, 2, 2])[:, None])
