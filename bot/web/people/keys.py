"""Encryption with the installation's own key (PNE_SECRET_KEY), a key of its own for each use."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@lru_cache(maxsize=8)
def fernet(keys: str, use: str) -> MultiFernet:
    """Encrypts with the first key, opens with any. `keys`: one or more with commas, as in the setting; `use` keeps what
    was encrypted for one purpose from being opened for another. Raises ValueError without a key."""
    if not keys:
        raise ValueError("PNE_SECRET_KEY is empty")
    return MultiFernet([Fernet(_derived(key.strip(), use)) for key in keys.split(",")])


def _derived(key: str, use: str) -> bytes:
    made = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"pne: {use}".encode()).derive(key.encode())
    return base64.urlsafe_b64encode(made)
