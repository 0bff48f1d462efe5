"""GPUs by name: memory and peak rate."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gukbap.errors import ConfigError

GIB = 1 << 30
TERA = 10**12
_OWN = re.compile(r"^(?P<name>[\w.-]+)=(?P<memory>\d+(\.\d+)?):(?P<rate>\d+(\.\d+)?)$")


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU.

    Attributes:
        name: as NVIDIA's device plugin labels nodes (nvidia.com/gpu.product), without the brand.
        memory: bytes that a process can have.
        rate: operations a second of dense bfloat16 products with float32 sums, at most.
    """

    name: str
    memory: int
    rate: float


#: Memory as torch.cuda.get_device_properties tells it, a little under what is printed on the box; rates
#: from NVIDIA's data sheets, without sparsity.
_KNOWN = {
    "A100-SXM4-40GB": (39.4, 312),
    "A100-PCIE-40GB": (39.4, 312),
    "A100-SXM4-80GB": (79.2, 312),
    "A100-PCIE-80GB": (79.2, 312),
    "H100-80GB-HBM3": (79.1, 989),
    "H100-PCIe": (79.1, 756),
    "H200": (139.8, 989),
    "L40S": (44.4, 362),
    "L4": (22.0, 121),
    "A10": (22.1, 125),
    "RTX-A6000": (47.4, 155),
    "GeForce-RTX-4090": (23.5, 165),
}


def find_gpu(name: str) -> Gpu:
    """The GPU of a name: a label (NVIDIA-A100-SXM4-40GB), a unique part of one (A100-40GB, H200), or one's
    own as NAME=GIB:TFLOPS.

    Raises:
        ConfigError: no GPU of the table is called so, or several with unlike figures are.
    """
    own = _OWN.match(name)
    if own:
        return Gpu(own["name"], int(float(own["memory"]) * GIB), float(own["rate"]) * TERA)
    wanted = set(name.casefold().replace("nvidia", "").replace("_", "-").split("-")) - {""}
    exact = [key for key in _KNOWN if wanted == set(key.casefold().split("-"))]
    found = exact or [key for key in _KNOWN if wanted and wanted <= set(key.casefold().split("-"))]
    if len({_KNOWN[key] for key in found}) != 1:
        said = f"could be {', '.join(found)}" if found else "is not in the table"
        raise ConfigError(
            f"--gpu {name} {said}",
            expected=f"one of {', '.join(_KNOWN)}, or NAME=GIB:TFLOPS",
            fix="for another one give its memory and its dense bfloat16 rate, for example --gpu MI250=64:181",
        )
    memory, rate = _KNOWN[found[0]]
    return Gpu(found[0], int(memory * GIB), rate * TERA)
