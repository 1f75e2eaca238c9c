#!/usr/bin/env python3
"""Runs warren and what it is compared with, interleaved, and shows what came of it; scripts/bench_peers.sh runs it."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType

import psycopg

from harness import latency, plots, tables
from harness.contenders import Contender, chosen
from harness.growth import measure as growth
from harness.growth.table import growth as growth_table
from harness.results import Results, about
from harness.rounds import Tools, run_round
from harness.servers import Servers
from harness.worker import Failed

ROOT = Path(__file__).parent.parent
FEWEST_TASKS = 50
STOPS = (signal.SIGINT, signal.SIGTERM)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    what = "what is measured: warren beside its contenders, without it both; or warren alone, as work grows"
    add("what", nargs="*", metavar="rate|latency|growth", help=what)
    add("--only", metavar="NAME,…", help="these contenders alone, or these kinds of growth")
    add("--rounds", type=int, default=3, help="how often each has its turn (3)")
    add("--scale", type=float, default=1.0, help="so many times the tasks and seconds of a round: 0.1 for a quick look")
    add("--output", type=Path, metavar="FILE", help="where the results go as JSON, after each round")
    add("--plots", type=Path, metavar="FOLDER", help="where rate.svg and latency.svg go")
    add("--from", type=Path, metavar="FILE", dest="earlier", help="measure nothing, show an earlier run's output")
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    add("--target", type=Path, default=target, help="cargo's target folder, with release/ and components/")
    add("--warren", type=Path, metavar="FILE", help="the binary to measure, if it is not release/warren in that folder")
    parsed = parser.parse_args()
    if unknown := set(parsed.what) - {"rate", "latency", "growth"}:
        parser.error(f"there is no measurement named {', '.join(unknown)}: rate, latency, growth")
    if "growth" in parsed.what and len(parsed.what) > 1:
        parser.error("growth is measured alone")
    if parsed.warren is not None and not parsed.warren.is_file():
        parser.error(f"--warren {parsed.warren}: there is no such file")
    return parsed


def tools_of(options: argparse.Namespace) -> Tools:
    target = options.target.resolve()
    warren = options.warren.resolve() if options.warren else target / "release" / "warren"
    return Tools(sys.executable, target, warren)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def told_failures(name: str, results: Results) -> Iterator[None]:
    """A contender that fails is told, and the others have their turn all the same."""
    try:
        yield
    except (Failed, psycopg.Error) as failed:
        say(f"{name} failed: {failed}")
        results.failures.setdefault(name, []).append(str(failed))


def measure(options: argparse.Namespace, contenders: list[Contender], results: Results, servers: Servers) -> None:
    tools = tools_of(options)
    what = options.what or ["rate", "latency"]
    for turn in range(1, options.rounds + 1):
        for contender in contenders if "rate" in what else []:
            tasks = max(int(contender.tasks * options.scale), FEWEST_TASKS)
            say(f"round {turn} of {options.rounds}: {contender.name}, {tasks} tasks")
            with told_failures(contender.name, results):
                found = run_round(contender, tasks, servers, tools)
                results.rates.setdefault(contender.name, []).append(asdict(found))
                again = f"; {found.repeated} tasks were run again" if found.repeated else ""
                say(f"    {found.rate:,.0f}/s over {found.seconds:.2f} s{again}")
            save(options, results)
        for contender in contenders if "latency" in what else []:
            if not contender.answers:
                continue
            say(f"round {turn} of {options.rounds}: latency of {contender.name}")
            with told_failures(contender.name, results):
                for point in latency.measure(contender, options.scale, servers, tools):
                    results.latencies.setdefault(contender.name, []).append(point)
                    say(f"    {latency.told(point)}")
            save(options, results)


def measure_growth(options: argparse.Namespace, results: Results, servers: Servers) -> None:
    """What an earlier run has put into the same file stays, unless it is measured again."""
    if options.output is not None and options.output.exists():
        results.growth = Results.load(options.output).growth
    growth.measure(
        growth.chosen(options.only),
        options.rounds,
        options.scale,
        servers,
        tools_of(options),
        results.growth,
        told_failures=partial(told_failures, results=results),
        save=partial(save, options, results),
    )


def save(options: argparse.Namespace, results: Results) -> None:
    if options.output is not None:
        results.save(options.output)


def show(options: argparse.Namespace, results: Results) -> None:
    if results.rates:
        print(tables.rates(results), end="\n\n")
    if results.latencies:
        print(tables.latencies(results), end="\n\n")
    if results.growth:
        print(growth_table(growth.GROUPS, results.growth), end="\n\n")
    if results.failures:
        print(tables.failures(results))
    if options.plots is not None and results.rates:
        plots.rate(results, options.plots / "rate.svg")
    if options.plots is not None and results.latencies:
        plots.latency(results, options.plots / "latency.svg")


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Once: what is cleaned up after it must not be interrupted."""
    for each in STOPS:
        signal.signal(each, lambda *_: say("cleaning up"))
    raise KeyboardInterrupt


def main() -> int:
    options = arguments()
    if options.earlier is not None:
        show(options, Results.load(options.earlier))
        return 0
    is_growth = "growth" in options.what
    contenders = [] if is_growth else chosen(options.only)
    for each in STOPS:
        signal.signal(each, interrupt)
    urls = [os.environ.get(name) for name in ("RABBITMQ_URL", "DATABASE_URL")]
    if None in urls:
        raise SystemExit(
            "RABBITMQ_URL and DATABASE_URL have to be set; scripts/bench_peers.sh finds them and starts this"
        )
    servers = Servers(*filter(None, urls))
    measured = servers.versions() | {"warren": str(tools_of(options).warren)}
    results = Results(about(options.rounds, options.scale, measured))
    interrupted = False
    try:
        if is_growth:
            measure_growth(options, results, servers)
        else:
            measure(options, contenders, results, servers)
    except KeyboardInterrupt:
        say("interrupted; this is what was measured until then")
        interrupted = True
    show(options, results)
    return 130 if interrupted else 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
