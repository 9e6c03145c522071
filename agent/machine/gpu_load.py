"""Loads GPUs with arithmetic and looks at them meanwhile. Runs alone: `python gpu_load.py SECONDS ADDRESS…`.

One process for each card speaks to the CUDA driver; this one never does. It prints one JSON object: `refused` (address
→ why it could not be loaded) and `looks` (answers of nvml_probe.py, spread over the seconds).
Needs no toolkit: the driver itself compiles the few lines of PTX below, which run on every card since Maxwell.

Tests name a stand-in library in FIRSTLIGHT_CUDA_LIBRARY; nothing else sets it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Four chains of multiply-adds for `rounds` turns. The store never happens (no result is negative), but the compiler
# cannot know, so nothing is optimised away and no memory is needed.
PTX = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry burn(.param .u64 out, .param .u32 rounds, .param .f32 never)
{
    .reg .pred %p;
    .reg .u32 %i, %n;
    .reg .u64 %o;
    .reg .f32 %a, %b, %c, %d, %x, %z;
    ld.param.u64 %o, [out];
    ld.param.u32 %n, [rounds];
    ld.param.f32 %z, [never];
    mov.u32 %i, 0;
    mov.f32 %x, 0f3F000000;
    mov.f32 %a, 0f3F800000;
    mov.f32 %b, 0f40000000;
    mov.f32 %c, 0f40400000;
    mov.f32 %d, 0f40800000;
again:
    fma.rn.f32 %a, %a, %x, %x;
    fma.rn.f32 %b, %b, %x, %x;
    fma.rn.f32 %c, %c, %x, %x;
    fma.rn.f32 %d, %d, %x, %x;
    add.u32 %i, %i, 1;
    setp.lt.u32 %p, %i, %n;
    @%p bra again;
    add.f32 %a, %a, %b;
    add.f32 %c, %c, %d;
    add.f32 %a, %a, %c;
    setp.eq.f32 %p, %a, %z;
    @%p st.f32 [%o], %a;
    ret;
}
\0"""
MULTIPROCESSORS = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
BLOCKS_PER_MULTIPROCESSOR, THREADS = 8, 256
FIRST_ROUNDS, MOST_ROUNDS, LAUNCH_S = 20_000, 1 << 30, 0.05  # short launches: a kill or a desktop waits for one
START_S, LOOKS, PROBE_S, GRACE_S = 20.0, 3, 6.0, 1.0
ERRORS = {2: "out of memory", 34: "stub library", 46: "the compute mode forbids it or another process has it",
          100: "no CUDA device", 101: "no such device", 222: "unsupported PTX", 999: "unknown error",
          802: "the system is not ready (fabric manager)", 803: "driver and library do not match"}


class Refused(Exception):
    """The CUDA driver refused a call; the text names it."""


def main(seconds: float, addresses: list[str]) -> None:
    """Print what was seen."""
    burners = {address: _start(address) for address in addresses}
    refused = {}
    end = time.monotonic() + START_S
    for address, (_, said) in burners.items():
        answer = _read(said, end, until=b"\n").strip().decode(errors="replace")
        if answer != "ok":
            refused[address] = answer or f"no kernel ran within {START_S:g} s"
    looks = []
    for _ in range(LOOKS if len(refused) < len(addresses) else 0):
        time.sleep(seconds / LOOKS)
        looks.append(_look())
    for pid, _ in burners.values():
        _end(pid)
    os.write(1, json.dumps({"refused": refused, "looks": looks}).encode() + b"\n")


def _start(address: str) -> tuple[int, int]:
    """Return the process that loads a card, and the pipe on which it says "ok" or why not."""
    said, out = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _burn(address, out)
        except (Refused, OSError, AttributeError) as error:
            os.write(out, f"{error}\n".encode())
        finally:
            os._exit(0)
    os.close(out)
    return pid, said


def _end(pid: int) -> None:
    """Ask a child to end, then kill it; one that cannot die is left to init."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.kill(pid, number)
        end = time.monotonic() + GRACE_S
        while time.monotonic() < end:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            time.sleep(0.005)


def _read(fd: int, end: float, until: bytes = b"") -> bytes:
    """Return what comes before the writer closes its end, `until` is in it, or the time is over."""
    text = bytearray()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while poll.poll(max(0.0, end - time.monotonic()) * 1000):
        chunk = os.read(fd, 1 << 16)
        text += chunk
        if not chunk or (until and until in chunk):
            break
    return bytes(text)


def _look() -> object:
    """Return the answer of the NVML probe, None without one."""
    answer, out = os.pipe()
    probe = os.path.join(os.path.dirname(__file__), "nvml_probe.py")  # noqa: PTH118, PTH120 - pathlib costs its import
    actions = [(os.POSIX_SPAWN_DUP2, out, 1)]
    pid = os.posix_spawn(sys.executable, [sys.executable, "-I", probe, str(PROBE_S)], os.environ, file_actions=actions)
    os.close(out)
    text = _read(answer, time.monotonic() + PROBE_S + 1)
    os.close(answer)
    _end(pid)
    try:
        return json.loads(text)
    except ValueError:
        return None


def _burn(address: str, out: int) -> None:
    """Keep a card busy until told to end or orphaned; says "ok" after the first kernel.

    It ends between two kernels. Raises Refused, OSError without a library.
    """
    os.environ["CUDA_CACHE_DISABLE"] = "1"
    cuda = ctypes.CDLL(os.environ.get("FIRSTLIGHT_CUDA_LIBRARY", "libcuda.so.1"))

    def call(name: str, *arguments: object) -> None:
        code = getattr(cuda, name)(*arguments)
        if code:
            raise Refused(f"{name}: {ERRORS.get(code, 'refused')} (CUDA error {code})")

    device, context, module, kernel = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    processors = ctypes.c_int()
    call("cuInit", 0)
    call("cuDeviceGetByPCIBusId", ctypes.byref(device), address.encode())
    call("cuDeviceGetAttribute", ctypes.byref(processors), MULTIPROCESSORS, device)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    call("cuModuleLoadData", ctypes.byref(module), PTX)
    call("cuModuleGetFunction", ctypes.byref(kernel), module, b"burn")
    _launch(call, kernel, processors.value * BLOCKS_PER_MULTIPROCESSOR, out)


def _launch(call: Callable[..., None], kernel: ctypes.c_void_p, blocks: int, out: int) -> None:
    """Launch kernel after kernel, each some 50 ms long, until told to end or orphaned."""
    parent = os.getppid()
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    nowhere, rounds, never = ctypes.c_uint64(0), ctypes.c_uint32(FIRST_ROUNDS), ctypes.c_float(-1.0)
    parameters = (ctypes.c_void_p * 3)(*(ctypes.addressof(value) for value in (nowhere, rounds, never)))
    told = False
    while not ended and os.getppid() == parent:
        began = time.monotonic()
        call("cuLaunchKernel", kernel, blocks, 1, 1, THREADS, 1, 1, 0, None, parameters, None)
        call("cuCtxSynchronize")
        if not told:
            os.write(out, b"ok\n")
            told = True
        elif time.monotonic() - began < LAUNCH_S / 2 and rounds.value < MOST_ROUNDS:
            rounds.value *= 2


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
