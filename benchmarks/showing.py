"""What all benchmarks do with what they measured."""

import json
from pathlib import Path
from typing import Any


def show(measured: Any, output: Path | None) -> None:
    """Print results as JSON, and write them where that is asked for."""
    text = json.dumps(measured, indent=2)
    print(text)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n")
