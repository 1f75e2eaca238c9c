"""The worker of a contender: a process with whatever it starts, which ends with the measurement."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 60.0
LAST_LINES = 15

Running = subprocess.Popen[str]


class Failed(Exception):
    """What a contender did wrong, with the last lines that it wrote."""


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would set up a warren in another way than the measurement means."""
    # With RUST_BACKTRACE, each call of a guest costs a backtrace.
    others = ("SERVICE_NAME", "RUST_LOG", "RUST_BACKTRACE")
    return {k: v for k, v in os.environ.items() if not k.startswith("WARREN_") and k not in others} | more


def last_lines(log: Path) -> str:
    return "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def run(command: Sequence[str], env: Mapping[str, str], log: Path, timeout: float, cwd: Path | None = None) -> str:
    """Runs a command to its end, and gives what it printed."""
    with (
        log.open("w") as stderr,
        started(command, env, stderr=stderr.fileno(), stdout=subprocess.PIPE, cwd=cwd) as process,
    ):
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command)} has not ended after {timeout:.0f} s\n{last_lines(log)}") from None
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {process.returncode}\n{last_lines(log)}")
    return str(out)


@contextmanager
def working(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[Running]:
    """Has a worker run meanwhile, and stops it by SIGTERM, as whoever runs services does."""
    with log.open("w") as out, started(command, env, stderr=out.fileno(), stdout=out.fileno()) as process:
        yield process
        if process.poll() is not None:
            raise Failed(f"{' '.join(command)} ended by itself with {process.returncode}\n{last_lines(log)}")
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            late = f"{' '.join(command)} has not ended {STOP_SECONDS:.0f} s after SIGTERM"
            raise Failed(f"{late}\n{last_lines(log)}") from None


@contextmanager
def started(
    command: Sequence[str], env: Mapping[str, str], *, stderr: int, stdout: int, cwd: Path | None = None
) -> Iterator[Running]:
    """In a session of its own, so that nothing of it outlives us, and Ctrl-C is ours."""
    try:
        process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise Failed(f"{command[0]} can't be started: {error.strerror}; scripts/bench_peers.sh builds it") from None
    try:
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
