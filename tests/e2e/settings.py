# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the configuration share: the keys, and what --check-config says."""
import json
import os
import subprocess

from lib import BUILD, DEADLINE_S

KEYS = ["camera", "source", "size", "pixel_format", "row_bytes", "frame_bytes", "luma_range", "buffers",
        "buffer_count", "sensor_mode", "framerate", "unpaced", "loop", "exposure_us", "analogue_gain_milli", "auto_exposure", "exposure_value_milli", "brightness_milli",
        "contrast_milli", "sharpness_milli", "scaler_crop_x", "scaler_crop_y", "scaler_crop_width",
        "scaler_crop_height", "streams", "slots", "ring_bytes", "private_bytes", "private_streams",
        "runtime_dir", "group", "control_group", "io", "wait_clients", "clients_max", "clients_per_uid", "attach_rate",
        "control_connections", "control_message_bytes", "control_depth", "control_values", "control_rate",
        "control_message_ms", "size_change_rate", "copy_threads", "copy_budget", "copy_affinity", "copy_scheduling"]
ENV = dict(os.environ, XDG_RUNTIME_DIR="/tmp")
ENV.pop("LUMARING_RUNTIME_DIR", None)


def run(*options, env=None):
    """(exit code, standard output, standard error) of --check-config."""
    done = subprocess.run([BUILD / "lumaringd", "--check-config", *[str(o) for o in options]], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=env or ENV, timeout=DEADLINE_S, check=False)
    assert (done.returncode == 0) == (done.stdout != b"") == (done.stderr == b""), done
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def effective(*options, env=None):
    """The configuration that is in force, with each key."""
    code, out, error = run(*options, env=env)
    assert code == 0, error
    values = json.loads(out)
    assert list(values) == KEYS
    return values


def faults(*options, env=None):
    """The lines about all that is wrong."""
    code, _, error = run(*options, env=env)
    assert code == 2, (options, code)
    return error.splitlines()


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path
