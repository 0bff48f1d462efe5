"""`python -m gukbap` is the `gukbap` command."""

from gukbap.cli import main

main()
