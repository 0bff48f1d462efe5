"""A real headless Chromium (Debian: chromium and chromium-driver), driven through WebDriver."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PROGRAMS = ("chromium", "chromedriver")
#: besides being headless: as root in a container, and with nothing asked of the network by itself
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1600",
)


def missing_programs() -> list[str]:
    """What a browser test needs and this machine has not."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser with an empty profile, closed at the end."""
    program, driver = (shutil.which(name) for name in PROGRAMS)
    options = webdriver.ChromeOptions()
    options.binary_location = str(program)
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service(str(driver)))
        try:
            yield browser
        finally:
            browser.quit()
