"""Make the `incidentwire` command of a virtual environment run this checkout.

An editable install would need build tools in an environment that only runs things.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """#!{python}
from cli.main import main

main()
"""


def main() -> None:
    """Write the path file and the script into the environment of this interpreter."""
    packages = Path(sysconfig.get_path("purelib"))
    (packages / "incidentwire_checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    script = Path(sysconfig.get_path("scripts")) / "incidentwire"
    script.write_text(SCRIPT.format(python=sys.executable), encoding="utf-8")
    script.chmod(0o755)


if __name__ == "__main__":
    main()
