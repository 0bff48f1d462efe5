"""Install Chromium and its driver for the tests with the marker `browser`, where they are missing (Debian).

python tools/install_browser.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys

#: program → Debian's package
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}


def main() -> None:
    """Install what is missing; where that cannot be done, say so: the tests are then skipped."""
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if not packages:
        return
    apt = shutil.which("apt-get")
    if apt is None:
        print(f"{', '.join(packages)}: no apt-get to install them with", file=sys.stderr)
        return
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        if subprocess.run([apt, "--quiet", *arguments], check=False).returncode:
            print(f"apt-get {arguments[0]} failed: browser tests will be skipped", file=sys.stderr)
            return


if __name__ == "__main__":
    main()
