# SPDX-License-Identifier: BSD-2-Clause
"""lumaring: the newest grey frames of a camera, from shared memory, as numpy arrays without a copy."""
