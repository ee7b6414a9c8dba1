"""The machines that train together, as the environment variable TF_CONFIG names them."""

import dataclasses
import json
import socket
import time

from iodine.errors import UserError

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)
_JOBS = ("chief", "worker")  # in this order the tasks are numbered, as TensorFlow does


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All workers of a training and which one this process is. Number 0 is the chief."""

    names: tuple[str, ...]  # "chief" or "worker N", as TF_CONFIG has them
    addresses: tuple[str, ...]  # "host:port"
    index: int  # of this process

    @property
    def size(self) -> int:
        """Number of workers."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes the run's folder."""
        return self.index == 0

    def meet(self, seconds: float) -> None:
        """Returns when something listens at the address of every other worker.

        TensorFlow itself waits without an end, and so that no thread of Python could stop it.

        Raises:
            UserError: naming those that are missing after so many seconds, or if this worker's own
                port is taken.
        """
        port = int(self.addresses[self.index].rpartition(":")[2])
        deadline = time.monotonic() + seconds
        try:
            listener = socket.create_server(("", port), backlog=128)
        except OSError as error:
            raise UserError(
                f"{self.names[self.index]} cannot listen at port {port} of this machine, as "
                f"TF_CONFIG says: {error.strerror}; choose another port or wait until it is free"
            ) from None
        with listener:
            while missing := self.silent():
                if time.monotonic() > deadline:
                    raise UserError(
                        f"the other workers did not all appear within {seconds:g} s; missing: "
                        f"{', '.join(missing)}; start them with the same command and their own "
                        "TF_CONFIG, or name fewer in TF_CONFIG"
                    )
                time.sleep(0.1)

    def silent(self, seconds: float = 1.0) -> list[str]:
        """The other workers where nothing accepts a connection within `seconds`, for a message."""
        found = []
        for i, address in enumerate(self.addresses):
            host, _, port = address.rpartition(":")
            try:
                if i != self.index:
                    socket.create_connection((host.strip("[]"), int(port)), seconds).close()
            except OSError:
                found.append(f"{self.names[i]} at {address}")
        return found


def parse(tf_config: str | None) -> Cluster | None:
    """Reads the text of TF_CONFIG; None where it names no cluster.

    Raises:
        UserError: for text that is not JSON, jobs other than workers and one chief, malformed
            addresses, or a task that is not in the cluster.
    """
    if tf_config is None:
        return None
    try:
        values = json.loads(tf_config)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"is not JSON ({error})") from None
    jobs = values.get("cluster") if isinstance(values, dict) else None
    if values == {} or jobs == {}:
        return None
    if not isinstance(jobs, dict) or not all(isinstance(a, list) for a in jobs.values()):
        raise _malformed("has no section 'cluster' with a list of addresses for each job")
    if unknown := sorted(set(jobs) - set(_JOBS)):
        raise _malformed(f"names the job {unknown[0]!r}; known: {', '.join(_JOBS)}")
    if len(jobs.get("chief", [])) > 1:
        raise _malformed("names several chiefs; one is possible")
    tasks = [(job, i) for job in _JOBS for i in range(len(jobs.get(job, [])))]
    addresses = tuple(jobs[job][i] for job, i in tasks)
    for address in addresses:
        if not _is_address(address):
            raise _malformed(f"has the address {address!r}; expected HOST:PORT")
    if repeated := [a for a in addresses if addresses.count(a) > 1]:
        raise _malformed(f"has the address {repeated[0]} twice")
    task = values.get("task")
    task = (task.get("type"), _number(task.get("index"))) if isinstance(task, dict) else task
    if task not in tasks:
        known = ", ".join(f"{job} {i}" for job, i in tasks) or "none"
        raise _malformed(f"has a 'task' that is none of the cluster's: {known}")
    names = tuple("chief" if job == "chief" else f"worker {i}" for job, i in tasks)
    return Cluster(names, addresses, tasks.index(task))


def _is_address(address: object) -> bool:
    if not isinstance(address, str):
        return False
    host, _, port = address.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def _number(index: object) -> object:
    """The index of a task, which some cluster managers write as a string."""
    return int(index) if isinstance(index, str) and index.isdecimal() else index


def _malformed(what: str) -> UserError:
    return UserError(f"the environment variable TF_CONFIG {what}; expected such as {_EXAMPLE}")
