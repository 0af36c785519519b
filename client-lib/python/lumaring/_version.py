# SPDX-License-Identifier: BSD-2-Clause
"""The version of this package, which is that of the library it was made for."""
__version__ = "0.1.0"
