"""What nvitop reads, as JSON; run as a program of its own, with its own environment, where nothing of ours is loaded.

The library is found as on any machine: by the dynamic linker (LD_LIBRARY_PATH).
"""

import json
import sys


def told(value: object) -> object:
    """Return None for nvitop's "N/A"; its other values as they are."""
    return None if value == "N/A" else value


def view() -> list:
    """Return one dictionary for each physical device."""
    from nvitop import Device

    found = []
    for device in Device.all():
        clocks, highest = device.clock_infos(), device.max_clock_infos()
        seen = {
            "name": device.name(), "uuid": device.uuid(), "address": device.bus_id(),
            "memory": [device.memory_total(), device.memory_free(), device.memory_used()],
            "gpu_percent": device.gpu_utilization(), "memory_percent": device.memory_utilization(),
            "temperature_c": device.temperature(), "power_mw": device.power_usage(),
            "power_limit_mw": device.power_limit(), "fan_percent": device.fan_speed(),
            "pstate": device.performance_state(), "persistence": device.persistence_mode(),
            "compute_mode": device.compute_mode(), "mig": device.mig_mode(),
            "ecc_uncorrected_volatile": device.total_volatile_uncorrected_ecc_errors(),
            "compute_capability": device.cuda_compute_capability(),
            "bar1": [device.bar1_memory_total(), device.bar1_memory_free(), device.bar1_memory_used()],
            "slices": [piece.uuid() for piece in device.mig_devices()],
            "processes": {process.pid: process.gpu_memory() for process in device.processes().values()},
        }
        for name in ("graphics", "sm", "memory"):
            seen[f"clock_{name}_mhz"] = getattr(clocks, name)
            seen[f"clock_{name}_max_mhz"] = getattr(highest, name)
        found.append({key: [told(part) for part in value] if isinstance(value, (list, tuple)) else told(value)
                      for key, value in seen.items()})
    return found


if __name__ == "__main__":
    from nvitop import Device

    json.dump({"driver": Device.driver_version(), "cuda": Device.cuda_driver_version(), "gpus": view()}, sys.stdout)
