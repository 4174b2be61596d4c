"""Machines in one kernel: network namespaces joined by a cable of two virtual interfaces. Needs root and iproute2."""

import contextlib
import ctypes
import os
import pathlib
import subprocess

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Namespace:
    """One machine: an interface `cable` with an IPv4 and an IPv6 address, and a loopback of its own."""

    def __init__(self, name: str):
        self.name, self.ipv4, self.ipv6 = name, "", ""
        self.prefix = ("ip", "netns", "exec", name)
        ip("netns", "add", name)

    def ip(self, *arguments: str) -> None:
        ip("-n", self.name, *arguments)

    def plug_in(self, ipv4: str, ipv6: str) -> None:
        self.ipv4, self.ipv6 = ipv4, ipv6
        self.ip("link", "set", "lo", "up")
        self.ip("address", "add", f"{ipv4}/24", "dev", "cable")
        self.connect()

    def connect(self) -> None:
        """The cable is in; an interface that went down has lost its IPv6 address."""
        self.ip("link", "set", "cable", "up")
        self.ip("address", "replace", f"{self.ipv6}/64", "dev", "cable", "nodad")

    def disconnect(self) -> None:
        self.ip("link", "set", "cable", "down")

    @contextlib.contextmanager
    def inside(self):
        """The calling thread's new sockets are this machine's."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/var/run/netns/{self.name}", os.O_RDONLY)
        try:
            enter(there)
            try:
                yield
            finally:
                enter(here)
        finally:
            os.close(here)
            os.close(there)

    def listening_ports(self, address: str) -> set[int]:
        """TCP ports that wait for connections on this IPv4 address, or on any."""
        wanted = {"00000000", "".join(f"{int(part):02X}" for part in reversed(address.split(".")))}
        with self.inside():
            lines = pathlib.Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
        entries = [line.split() for line in lines]
        return {int(entry[1].split(":")[1], 16) for entry in entries if entry[3] == "0A" and entry[1].split(":")[0] in wanted}


def enter(namespace_fd: int) -> None:
    if libc.setns(namespace_fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def two_machines():
    """Two namespaces on one cable, 10.77.0.1 and 10.77.0.2; gone afterwards."""
    names = [f"tandem-{os.getpid()}-{letter}" for letter in "ab"]
    try:
        machines = [Namespace(name) for name in names]
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for index, machine in enumerate(machines, start=1):
            machine.plug_in(f"10.77.0.{index}", f"fd00:77::{index}")
        yield machines
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
