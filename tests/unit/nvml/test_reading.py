"""What the real probe reads through the real nvidia-ml-py: values, three kinds of absence, memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.machine.gpu import PROBE, gpu_memory, held_bytes, observe_cards, parse_view
from agent.machine.local import LocalMachine
from agent.machine.process import run_command
from agent.model.errors import Unobservable
from agent.model.gpu import Gpu, GpuMemory, GpuView, NotSupported, Unread
from tests.fixtures import FakeMachine
from tests.nvml.machines import GB10_MEMORY, PROBE_ARGV, PROBE_LIMIT_S
from tests.nvml.stand_in import StandIn

Look = Callable[..., GpuView]
HOST = FakeMachine({"/proc/meminfo": GB10_MEMORY})
AVAILABLE_BYTES, TOTAL_BYTES = 121465408 << 10, 127600748 << 10


def test_not_supported_unknown_and_zero_are_three_different_things(look: Look) -> None:
    gpu, = look("rtx4090", "gpu0.fan_rpm = !999").gpus
    assert isinstance(gpu.reading("serial"), NotSupported)
    assert isinstance(gpu.reading("fan_rpm"), Unread)
    assert gpu.number("fan_percent") == 0
    assert isinstance(gpu.reading("never_heard_of"), Unread)


def test_the_probe_gives_back_what_the_profile_says(look: Look) -> None:
    view = look("rtx4090")
    gpu, = view.gpus
    assert (view.driver_version, view.cuda_version, view.failure, view.hung_in) == ("580.95.05", "13.0", "", "")
    assert (gpu.name, gpu.uuid, gpu.address) == (
        "NVIDIA GeForce RTX 4090", "GPU-00004090-0000-4000-8000-000000000001", "0000:01:00.0")
    assert gpu.numbers("memory_bytes", 3) == (25757220864, 24908922880, 327155712)
    assert gpu.numbers("compute_capability", 2) == (8, 9)
    assert gpu.numbers("power_constraints_mw", 2) == (150000, 600000)
    assert gpu.reading("graphics_processes") == [[1402, 209715200]]
    assert [gpu.number(name) for name in ("temperature_c", "power_mw", "clock_sm_mhz", "clock_memory_max_mhz",
                                          "pcie_generation", "pcie_max_generation", "pcie_width", "event_reasons")
            ] == [36, 18200, 210, 10501, 1, 4, 16, 1]


def test_a_domain_of_the_bus_is_written_as_sysfs_writes_it(look: Look) -> None:
    assert look("gb10").gpus[0].address == "000f:01:00.0"


def test_negative_field_values_stay_negative(look: Look) -> None:
    assert look("h200").gpus[0].number("slowdown_margin_c") == -2


def test_a_memory_sensor_that_reads_zero_is_none(look: Look) -> None:
    assert isinstance(look("rtx4090", "gpu0.field.82 = 0").gpus[0].reading("memory_temperature_c"), NotSupported)


def test_text_that_is_no_text_spoils_one_reading_only(stand_in: StandIn) -> None:
    text = stand_in.use("rtx4090").profile.read_bytes()
    stand_in.profile.write_bytes(text + b"\ngpu0.vbios = 95.02.\xe4\xff\n")
    gpu, = parse_view(run_command(PROBE_ARGV, PROBE_LIMIT_S).out).gpus
    assert isinstance(gpu.reading("vbios"), Unread)
    assert gpu.number("temperature_c") == 36


def test_an_old_driver_is_said_to_be_too_old_and_asked_the_old_way(look: Look) -> None:
    gpu, = look("old-driver").gpus
    margin = gpu.reading("margin_c")
    assert isinstance(margin, NotSupported)
    assert "525.147.05 is too old" in margin.reason
    assert gpu.number("event_reasons") == 1  # by its name before driver 535
    assert isinstance(gpu.reading("recovery_action"), NotSupported)
    assert isinstance(gpu.reading("nvlink_0"), NotSupported)


def test_an_old_driver_without_the_newer_memory_question_counts_its_reserve_as_used(look: Look) -> None:
    gpu, = look("rtx4090", "absent.nvmlDeviceGetMemoryInfo_v2 = 1").gpus
    assert gpu.numbers("memory_bytes", 3) == (25757220864, 24908922880, 327155712 + 521142272)


@pytest.mark.parametrize("answer", ["!3", "0,0,0,0", "127600748000,0,2900000000,124700748000"])
def test_unified_memory_is_answered_by_the_host_with_what_is_available(look: Look, answer: str) -> None:
    gpu, = look("gb10", f"gpu0.memory = {answer}", "gpu0.compute_processes = 10:1000,11:2000").gpus
    assert gpu_memory(gpu, HOST) == GpuMemory(TOTAL_BYTES, 3000, AVAILABLE_BYTES, unified=True)


@pytest.mark.parametrize("code", [1, 15, 999])
def test_another_error_is_unknown_even_on_a_gpu_that_shares_memory(look: Look, code: int) -> None:
    gpu, = look("gb10", f"gpu0.memory = !{code}").gpus
    assert isinstance(gpu_memory(gpu, HOST), Unread)


@pytest.mark.parametrize("answer", ["!3", "0,0,0,0"])
def test_a_card_with_memory_of_its_own_never_gets_the_hosts(look: Look, answer: str) -> None:
    for name in ("rtx4090", "rtx5090", "gh200"):
        gpu = look(name, f"gpu0.memory = {answer}").gpus[0]
        assert isinstance(gpu_memory(gpu, HOST), Unread)


def test_a_figure_of_its_own_far_from_the_hosts_is_believed(look: Look) -> None:
    gpu, = look("gb10", "gpu0.memory = 64000000000,0,60000000000,4000000000").gpus
    assert gpu_memory(gpu, HOST) == GpuMemory(64000000000, 4000000000, 60000000000, unified=False)


def test_a_process_is_counted_once_though_it_computes_and_draws(look: Look) -> None:
    gpu, = look("gb10", "gpu0.compute_processes = 10:1000,11:7", "gpu0.graphics_processes = 10:900").gpus
    assert held_bytes(gpu) == 1007
    gpu, = look("gb10", "gpu0.compute_processes = !999").gpus
    assert held_bytes(gpu) is None


def test_the_slices_of_a_card_are_told(look: Look) -> None:
    first, second = look("a100-mig").gpus
    assert [len(gpu.reading("mig_devices")) for gpu in (first, second)] == [2, 7]  # type: ignore[arg-type]
    assert first.reading("mig_devices")[0][2] == 21072183296  # type: ignore[index]
    assert isinstance(first.reading("utilization_percent"), NotSupported)


def test_a_suspicious_look_is_repeated_and_a_quiet_one_is_not(look: Look) -> None:
    assert look("a100x4").gpus[0].samples("temperature_c") == (31,)
    assert look("a100x4", "gpu0.temperature = 84|60").gpus[0].samples("temperature_c") == (84, 60, 60, 60, 60)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"gpus": 1}', '{"gpus": {"x": {}}}'])
def test_a_damaged_answer_cannot_be_taken_for_a_machine_without_gpus(text: str) -> None:
    with pytest.raises(Unobservable, match="damaged answer"):
        parse_view(text)


def test_a_reading_of_another_kind_is_unread() -> None:
    gpu = Gpu(0, "", "", "", {"mig": 1, "fan_percent": [1]})
    assert isinstance(gpu.numbers("mig", 2), Unread)
    assert isinstance(gpu.number("fan_percent"), Unread)


def test_the_probe_is_not_started_where_nothing_is_nvidias(stand_in: StandIn) -> None:
    intel = FakeMachine({"/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n"})
    assert observe_cards(intel).view is None
    assert [words for words in intel.asked if words[0] == "run"] == []


@pytest.mark.parametrize("path", ["/sys/module/nvidia/version", "/dev/dxg"])
def test_the_probe_is_started_where_a_driver_promises_a_gpu(path: str) -> None:
    host = FakeMachine({path: ""}, {PROBE: '{"gpus": {}}'})
    assert observe_cards(host).view == GpuView()


def test_a_machine_without_the_library_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a real driver is installed the probe finds its library instead; this is the real search."""
    monkeypatch.delenv("FIRSTLIGHT_NVML_LIBRARY", raising=False)
    view = parse_view(LocalMachine().run(PROBE_ARGV, timeout_s=PROBE_LIMIT_S).out)
    assert view.failure_code in (0, 9, 12)
    assert bool(view.failure) == bool(view.failure_code)
