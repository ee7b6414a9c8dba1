"""The exception that stands for a user's mistake or a condition that only the user can mend."""


class UserError(Exception):
    """Bad input, missing files, a full disk and the like.

    The message is one line that says what is wrong, where, and what to do. The programs print it
    without a traceback and exit with code 1.
    """


def first_line(error: Exception | str) -> str:
    """The first line of TensorFlow's message, without the names of its operations."""
    line = str(error).strip().partition("\n")[0].partition(" [Op:")[0]
    return line.rpartition("}} ")[2]
