#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a runtime what the validation programs of opencontainers/runtime-tools ask, and says which of them it passes.

    tests/e2e/oci/validate.py build/bin/cc-runtime [--global-options ...] [-- PROGRAM ...]
    tests/e2e/oci/validate.py runc
    tests/e2e/oci/validate.py --as-known cc-runtime ...

With --as-known it fails when the programs that differ are others than those of KNOWN (docs/conformance.md says why).
Needs root and busybox; the host's cgroups of version 1 for the programs about cgroups.
"""

import argparse
import contextlib
import subprocess
import sys
import time
import uuid

import cgroups  # noqa: F401: has programs
from bundle import Runtime
from programs import PROGRAMS

KNOWN = set(
    # The guest's namespaces are not the host's to show; the pid is cc-shim's, in a mount namespace of its own.
    "linux_ns_itype linux_ns_nopath linux_ns_path "
    # As runc does, and engines expect: hooks at create, delete of a created container, no create without a process.
    "prestart delete start "
    # Left out with a warning, as specification 1.1 has it.
    "process_capabilities_fail "
    # Files that no kernel of today has, or controllers that this project's machines lack.
    "linux_cgroups_memory linux_cgroups_relative_memory linux_cgroups_blkio linux_cgroups_relative_blkio "
    "linux_cgroups_hugetlb linux_cgroups_relative_hugetlb linux_cgroups_network linux_cgroups_relative_network".split())


class Test:
    def __init__(self, command, verbose):
        self.runtime, self._verbose, self.failed = Runtime(command), verbose, []

    def check(self, what, right, shown=""):
        if self._verbose or not right:
            print(f"  {'ok' if right else 'differs'}: {what}{'' if right else f': {str(shown)[:600]!r}'}", flush=True)
        if not right:
            self.failed.append(what)
        return bool(right)

    @contextlib.contextmanager
    def container(self, _bundle):
        """An id; what is left of it at the end goes."""
        id = "oci-" + uuid.uuid4().hex[:12]
        try:
            yield id
        finally:
            error = self.runtime.error
            if self.runtime.state(id):
                self.runtime.verb("delete", "--force", id)
            self.runtime.error = error

    def until(self, condition, patience_s=30):
        end = time.monotonic() + patience_s
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)


def main():
    words = sys.argv[1:]
    words, only = (words[:words.index("--")], words[words.index("--") + 1:]) if "--" in words else (words, [])
    parser = argparse.ArgumentParser()
    parser.add_argument("--as-known", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args(words)
    differ = set()
    for name in only or PROGRAMS:
        begin = time.monotonic()
        test = Test(arguments.command, arguments.verbose)
        try:
            PROGRAMS[name](test)
        except (OSError, TypeError, KeyError, subprocess.SubprocessError) as error:  # after a check that failed
            test.check("it goes on", False, repr(error))
        if test.failed:
            differ.add(name)
        print(f"{'DIFFERS' if test.failed else 'passes'} {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    count = len(only or PROGRAMS)
    print(f"{count - len(differ)} of {count} programs pass; differ: {' '.join(sorted(differ)) or 'none'}")
    known = KNOWN & set(only or PROGRAMS) if arguments.as_known else set()
    if differ != known:
        print(f"not as known: {' '.join(sorted(differ ^ known))}")
    return differ != known


if __name__ == "__main__":
    raise SystemExit(main())
