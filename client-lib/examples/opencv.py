#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The newest frame to OpenCV, without a copy: how sharp the picture is, to focus a camera by.

    opencv.py [CAMERA]          (apt install python3-opencv)

frame.array is the frame where the daemon put it, read-only; it stays as it is until the loop goes on. What is drawn into
needs a copy: cv2.cvtColor() makes one anyway. With a display there is a window, in which Escape ends it; else a line a
second, until Ctrl-C.
"""
import os
import sys
import time

import cv2

import lumaring

SHOWN_WIDTH = 960


def sharpness(array):
    """Mean square of the picture's second derivative: the larger, the sharper."""
    return float(cv2.meanStdDev(cv2.Laplacian(array, cv2.CV_16S))[1][0, 0] ** 2)


def show(frame, value):
    """In a window. False: it is to end."""
    scale = min(1, SHOWN_WIDTH / frame.width)
    small = cv2.resize(frame.array, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    cv2.putText(picture, f"{value:.1f}", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 255, 0), 2)
    cv2.imshow("lumaring", picture)
    return cv2.waitKey(1) != 27


def main():
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    with lumaring.open(sys.argv[1] if len(sys.argv) > 1 else None) as camera:
        said, frames, busy_s = time.monotonic(), 0, 0.0
        for frame in camera.stream("main", newest=True):
            began = time.monotonic()
            value = sharpness(frame.array)
            if has_display and not show(frame, value):
                break
            frames, now = frames + 1, time.monotonic()
            busy_s += now - began
            if now - said >= 1:
                print(f"frame {frame.sequence}: sharpness {value:.1f}; {frames / (now - said):.1f} frames/s, "
                      f"{1e3 * busy_s / frames:.2f} ms each", flush=True)
                said, frames, busy_s = now, 0, 0.0


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except lumaring.Error as why:
        sys.exit(f"opencv: {why}")
