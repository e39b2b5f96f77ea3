"""The one exception that stands for bad input from a person."""


class UserError(Exception):
    """Bad input: what is wrong, where, and the nearest valid choice, in one line.

    The command line prints the message on stderr and exits with code 2. Raise it only for what a
    person can mend (a config, an option, a file); a fault of the program keeps its traceback.
    """

    def __init__(self, message: str) -> None:
        # Keys, names and paths are quoted as they were given.
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Return ``text`` with whatever would break a line, move the cursor or fail to encode shown escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(error: BaseException) -> str:
    """Return what an exception says, in one line; its type's name where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def did_you_mean(word: str, choices: "list[str]") -> str:
    """Return ``"; did you mean 'x'?"`` for the choice nearest to ``word``, else the list of choices."""
    from difflib import get_close_matches

    without_case = {choice.lower(): choice for choice in choices}
    close = get_close_matches(word.lower(), without_case, n=1)
    if close:
        return f"; did you mean {without_case[close[0]]!r}?"
    return f"; choose from {', '.join(sorted(choices))}" if choices else ""
