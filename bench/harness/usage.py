"""Processor time, memory and threads of a process with its descendants, out of /proc; nothing where there is none."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str
    # User and system time, in ticks: its own, and that of children that have ended.
    own: int
    ended_children: int


def read(pid: int) -> Process | None:
    """As proc_pid_stat(5) says: the name in brackets may hold anything, so what follows is counted from its end."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    before, after = stat.rsplit(")", 1)
    fields = after.split()
    return Process(
        pid,
        parent=int(fields[1]),
        name=before.split("(", 1)[1],
        own=int(fields[11]) + int(fields[12]),
        ended_children=int(fields[13]) + int(fields[14]),
    )


class Snapshot:
    """All processes as of one moment: to read them takes some milliseconds, so it is done once for all questions."""

    def __init__(self) -> None:
        self.by_pid: dict[int, Process] = {}
        self.by_parent: dict[int, list[Process]] = {}
        for entry in os.listdir(PROC) if PROC.is_dir() else []:
            process = read(int(entry)) if entry.isdecimal() else None
            if process is not None:
                self.by_pid[process.pid] = process
                self.by_parent.setdefault(process.parent, []).append(process)

    def tree(self, root: int | None) -> list[Process]:
        """The process and all its descendants."""
        found = [self.by_pid[root]] if root is not None and root in self.by_pid else []
        for process in found:
            found.extend(self.by_parent.get(process.pid, []))
        return found

    def cpu_seconds(self, root: int | None, without: int | None = None) -> float | None:
        """What the tree has used since it started, but for the one of its processes that serves the measurement."""
        processes = self.tree(root)
        if not processes:
            return None
        ticks = sum(process.ended_children + (0 if process.pid == without else process.own) for process in processes)
        return ticks / TICKS_PER_SECOND

    def peak_mib(self, root: int) -> float:
        """The most memory that each process of the tree has had, summed; pages that they share count for each."""
        return self.of_status(root, "VmHWM") / 1024

    def resident_mib(self, root: int) -> float:
        """What they have now."""
        return self.of_status(root, "VmRSS") / 1024

    def threads(self, root: int) -> int:
        return self.of_status(root, "Threads")

    def of_status(self, root: int, field: str) -> int:
        """A number of proc_pid_status(5), summed."""
        number = 0
        for process in self.tree(root):
            try:
                status = (PROC / str(process.pid) / "status").read_text()
            except OSError:
                continue
            number += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))
        return number
