"""The command line: one module a command, imported only when that command is asked for."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

import click

from heartloop import __version__
from heartloop.errors import HeartloopError

# name → (module, attribute, one line for --help). Kept here so that --help imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("run", "run_command", "Run an experiment: tasks × models × arms × seeds."),
    "resume": ("run", "resume_command", "Go on with an interrupted run; nothing is asked twice."),
    "repair": ("repair", "repair_command", "Set damage in a run aside, rebuild from its journal."),
    "merge": ("merge", "merge_command", "Make one run of the shards that --shard worked on."),
    "status": ("status", "status_command", "Show runs and how far they are."),
    "score": ("score", "score_command", "Grade a run again from its journal, without new calls."),
    "compare": ("compare", "compare_command", "Paired tests between arms or runs."),
    "style": ("style", "style_command", "What did the words do to the answers?"),
    "report": ("report", "report_command", "Write one HTML page that opens offline."),
    "import": ("imports", "import_group", "Bring results of other tools as a run."),
    "export": ("export", "export_command", "Write a run as parquet, JSON lines or CSV."),
    "grade": ("grade", "grade_command", "Grade answers from anywhere."),
    "optimize": ("optimize", "optimize_command", "Find the stimulus worth using, or none."),
    "ask": ("ask", "ask_command", "Ask one question under any arm and show the dialogue."),
    "render": ("ask", "render_command", "Show the exact messages of a task, a question, an arm."),
    "serve": ("serve", "serve_command", "Serve a model and its arms as an OpenAI-compatible API."),
    "power": ("power", "power_command", "What effect can this experiment see?"),
    "esc": ("esc", "esc_command", "Preference-bias analysis of emotional-support strategies."),
    "frames": ("frames", "frames_command", "What framing did to decisions, by frame."),
    "dose": ("dose", "dose_command", "Outcomes by the intensity of a feeling."),
    "trajectory": ("trajectory", "trajectory_command", "What the mood of dialogues did, by turn."),
    "tasks": ("cards", "tasks_group", "List, show and check task cards."),
    "stimuli": ("cards", "stimuli_group", "List, show and check stimulus cards."),
    "verifiers": ("cards", "verifiers_group", "List, show and check verifier cards."),
    "models": ("models", "models_group", "List the models that answer, and what they can do."),
    "bundle": ("bundle", "bundle_command", "Collect a run for a machine without a network."),
    "data": ("data", "data_group", "Where each task's data is, and how to get it."),
    "init": ("cards", "init_command", "Make a workspace with example cards."),
    "doctor": ("doctor", "doctor_command", "Check the installation and say how to mend it."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"heartloop.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        if "_HEARTLOOP_COMPLETE" in os.environ:
            from heartloop.cli._complete import attach

            attach(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table alone, so that --help stays fast."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for a mistyped one; refuse options given twice."""
        from heartloop.cli._command import refuse_repeats

        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1) if args else []
            hint = f" Did you mean {near[0]!r}?" if near else " See heartloop --help."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx) from None
        if command is not None:
            refuse_repeats(command, ctx, rest)
        return name, command, rest


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="heartloop")
def cli() -> None:
    """Do words with feeling make a language model better, at what, and is it worth the tokens?

    \b
    heartloop run --task olympiad --rounds 5            the main job, with its matched controls
    heartloop run --task bigbench --stimuli emotionprompt --model server/NAME --base-url URL
    heartloop report RUN                                one page to read and to share
    """


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; deliberate errors become one line and an exit code."""
    from heartloop.cli._terminal import shown_streams

    # What is loaded forms no cycles: walking through it again and again took a sixth of the time.
    gc.set_threshold(50_000, 20, 50)
    # Progress bars of libraries draw with control characters.
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
        os.environ.setdefault(name, "1")
    try:
        with shown_streams():
            _main(argv)
    finally:
        gc.enable()  # where a run ended while it was being loaded


def _main(argv: list[str] | None) -> None:
    try:
        # NO_COLOR (no-color.org): plain words even on a terminal.
        colour = False if os.environ.get("NO_COLOR") else None
        code = cli.main(args=argv, prog_name="heartloop", standalone_mode=False, color=colour)
    except HeartloopError as error:
        from heartloop.secrets import clean

        click.echo(f"heartloop: {clean(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("heartloop: stopped", err=True)
        sys.exit(3)
    except click.ClickException as error:
        if error.__class__.__name__ == "NoArgsIsHelpError":  # click >= 8.2
            error.show()
            sys.exit(error.exit_code)
        # One line, as for our own errors, and where to look.
        context = getattr(error, "ctx", None)
        place = f"; see {context.command_path} --help" if context else ""
        message = error.format_message().rstrip(".")
        from heartloop.secrets import clean

        click.echo(f"heartloop: {clean(' '.join(message.split()))}{place}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
