"""The command line. Commands are imported when they are called, so that --help answers at once."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
import warnings
from typing import TextIO

import click

from gukbap import __version__
from gukbap.errors import GukbapError, GukbapWarning
from gukbap.interruption import remembering_interrupts

#: command → (module, short help); the module has a click command of the command's name
_COMMANDS = {
    "run": ("gukbap.cli.run", "Run the whole pipeline: generate, train, evaluate, document."),
    "plan": ("gukbap.cli.plan", "What a recipe takes: calls, tokens, cost, memory, hours."),
    "stage": ("gukbap.cli.stage", "Run one stage on files."),
    "compile": ("gukbap.cli.compile", "Write the Kubeflow pipeline of a recipe as YAML."),
    "apply": ("gukbap.cli.apply", "Register a recipe and its schedule on Kubeflow Pipelines."),
    "submit": ("gukbap.cli.submit", "Start one run of a registered pipeline."),
    "schedule": ("gukbap.cli.schedule", "See and change scheduled retraining."),
    "runs": ("gukbap.cli.runs", "List runs on Kubeflow Pipelines."),
    "logs": ("gukbap.cli.logs", "Show the log of a step on Kubeflow Pipelines."),
    "store": ("gukbap.cli.store", "See, check and fetch the runs in an object store."),
    "data": ("gukbap.cli.data", "See, compare, check and fetch the versions of a data set."),
    "config": ("gukbap.cli.config", "Show recipes and what may stand in them."),
    "models": ("gukbap.cli.models", "List and fetch the models of the catalogue."),
    "provenance": ("gukbap.cli.provenance", "Who wrote a data set's rows, and under which licences."),
    "logickor": ("gukbap.cli.logickor", "Import LogicKor as an evaluation pack."),
    "score": ("gukbap.cli.score", "Score tables from judged files."),
    "weakness": ("gukbap.cli.weakness", "Which categories should get more of the next data, and why."),
    "compare": ("gukbap.cli.compare", "Whether one judged run is better than another."),
    "baselines": ("gukbap.cli.baselines", "Other models' judged answers as runs in MLflow."),
    "promote": ("gukbap.cli.promote", "Compare a run with the champion; promote it on evidence."),
    "rollback": ("gukbap.cli.rollback", "Make a former champion the champion again."),
    "prune": ("gukbap.cli.prune", "Delete old checkpoints, journals, models and runs that nobody needs."),
    "card": ("gukbap.cli.card", "Write the model card of a run."),
    "up": ("gukbap.cli.servers", "Start an S3 server and MLflow on this machine."),
    "down": ("gukbap.cli.servers", "Stop what `gukbap up` started; the data stays."),
    "status": ("gukbap.cli.servers", "Show what `gukbap up` started."),
    "env": ("gukbap.cli.servers", "Print the variables by which commands find those servers."),
    "doctor": ("gukbap.cli.doctor", "Check this machine and a recipe's needs; say what to do."),
}
_STAGES = ("generate", "clean", "dedup", "split", "train", "infer", "judge", "report")

DEBUG_VARIABLE = "GUKBAP_DEBUG"


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time, when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order a user meets them."""
        return [*_COMMANDS, *_STAGES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; a stage's name is short for `stage NAME`."""
        if cmd_name in _STAGES:
            group = importlib.import_module("gukbap.cli.stage").stage
            command: click.Command = group.commands[cmd_name]
            return command
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])
        with formatter.section("Stages (short for `gukbap stage NAME`)"):
            formatter.write_text(", ".join(_STAGES))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Make, train, evaluate and document a Korean instruction model out of open-source models."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def main() -> None:
    """The `gukbap` command. Exit code 0: done; 1: a failed run; 2: a wrong invocation or input."""
    _tell_warnings()
    try:
        with remembering_interrupts():
            cli(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nstopped; what was made is kept", err=True)
        # Where the signal came inside an exec() of source text (as dataclasses and namedtuples make theirs),
        # CPython notes it as unhandled and ends by the signal whatever exit code is asked for; the next
        # exec() takes the note back (run_eval_code_obj in pythonrun.c).
        exec("")  # noqa: S102
        sys.exit(1)
    except GukbapError as error:
        _show(str(error), error)
        sys.exit(error.exit_code)
    except Exception as error:
        _show(
            f"unexpected {type(error).__name__}: {error}\n  next: run again with --debug to see where", error
        )
        sys.exit(1)


def _tell_warnings() -> None:
    """Warnings of this project are words for the user, not lines of its source."""
    usual = warnings.showwarning

    def shown(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, GukbapWarning):
            click.echo(f"warning: {message}", err=True)
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = shown


def _show(text: str, error: BaseException) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    click.echo(f"error: {text}", err=True)
