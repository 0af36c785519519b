# SPDX-License-Identifier: BSD-2-Clause
"""What there is one of."""
from __future__ import annotations

from typing import Any, NoReturn


class Single:
    """Of something that this process has with a daemon, or has open, which a copy would share without knowing."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Raises TypeError: neither copy nor pickle can give it to another one."""
        raise TypeError(f"a {type(self).__name__} of lumaring can be neither copied nor pickled: open another one where it "
                        "is wanted, by its name")
