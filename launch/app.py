"""What all programs share: how they start and how they report a user's mistake."""

import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags, logging

from iodine.launch import failures
from iodine.training.devices import numerics

USER_ERROR_EXIT_CODE = 1
USAGE_ERROR_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130  # 128 + SIGINT, as shells have it

_MISSING_FLAG = re.compile(r"flag --(\w+)=None: Flag --\w+ must have a value other than None\.")


def run(
    main: Callable[..., None],
    argv: Sequence[str] | None = None,
    define_flags: Callable[[Sequence[str]], None] | None = None,
    runs_models: bool = True,
    commands: Sequence[str] = (),
) -> None:
    """Parses flags, calls `main` and exits.

    Exit code 0 on success, 1 with one line for what `failures` knows, 2 with one line for unknown
    or malformed flags, 130 when interrupted.

    Args:
        main: the program; it reads its flags itself.
        argv: the command line, `sys.argv` by default.
        define_flags: defines those flags that depend on the command line, given it.
        runs_models: whether the program does so, on a GPU where there is one.
        commands: of a program that does several things, their names: one of them has to stand
            among the flags, and `main` is given it.
    """
    argv = list(sys.argv if argv is None else argv)

    def parse(argv: Sequence[str]) -> Sequence[str]:
        try:
            if define_flags is not None:
                define_flags(argv)
            if _asks_for_help(argv):
                print(_help(main))
                sys.exit(0)
            flags.FLAGS.set_gnu_getopt(bool(commands))  # flags may follow a command
            return flags.FLAGS(argv)
        except flags.Error as error:
            _fail(USAGE_ERROR_EXIT_CODE, f"{_plain(str(error))}; see --help")

    def checked_main(args: Sequence[str]) -> None:
        given = args[1 : 1 + bool(commands)]
        if commands and not (given and given[0] in commands):
            _fail(USAGE_ERROR_EXIT_CODE, _no_command(given, commands))
        if extra := args[1 + len(given) :]:
            _fail(USAGE_ERROR_EXIT_CODE, f"unexpected argument {extra[0]!r}; see --help")
        logging.set_verbosity(logging.WARNING)  # TensorFlow reports every save at level INFO
        try:
            if runs_models:
                numerics.prepare()
            main(*given)
        except KeyboardInterrupt:
            _fail(INTERRUPTED_EXIT_CODE, "interrupted")
        except Exception as error:
            line = failures.describe(error)
            if line is None:
                raise
            _fail(USER_ERROR_EXIT_CODE, line)

    app.run(checked_main, argv=argv, flags_parser=parse)


def _asks_for_help(argv: Sequence[str]) -> bool:
    return any(arg in ("--help", "-help", "-h", "--helpfull") for arg in argv[1:])


def _help(main: Callable[..., None]) -> str:
    """The program's docstring and its own flags, not those of the libraries."""
    program = sys.modules[main.__module__]
    ours = [
        module
        for module in flags.FLAGS.flags_by_module_dict()
        if module.startswith("iodine.launch") or module == sys.argv[0]
    ]
    return "\n".join([program.__doc__, *(flags.FLAGS.module_help(module) for module in ours)])


def _no_command(given: Sequence[str], commands: Sequence[str]) -> str:
    what = f"unknown command {given[0]!r}" if given else "what to do is missing"
    return f"{what}; give one of: {', '.join(commands)}; see --help"


def _plain(message: str) -> str:
    missing = _MISSING_FLAG.match(message)
    return f"--{missing[1]} is missing" if missing else message


def _fail(code: int, message: str) -> NoReturn:
    line = " ".join(message.split())
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
