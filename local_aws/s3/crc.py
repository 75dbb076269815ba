"""CRC-32C and CRC-64/NVME by numpy: many stretches of the data at once, then joined.

A CRC is linear over GF(2): the register after a run of bytes is the register before it, moved on by that many zero
bytes, XOR the register that the run alone gives. So the data is cut into lanes of equal length, all lanes advance
together (one table look-up a byte, over an array of lanes), and the lanes are joined pairwise by the operator that
moves a register on by a lane's length. Parameters: RFC 3720 (CRC-32C) and the NVM Express NVM command set, 5.2.1.3.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_LANE = 1024
_Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Polynomial:
    """A reflected CRC: its bits, and its polynomial with the lowest power in the highest bit."""

    bits: int
    reflected: int


CRC32C = Polynomial(32, 0x82F63B78)
CRC64NVME = Polynomial(64, 0x9A6C9329AC4BC9B5)


class TabledCrc:
    """A running CRC that starts and ends inverted, as both of these do; the digest is big-endian."""

    def __init__(self, polynomial: Polynomial) -> None:
        self._polynomial = polynomial
        self._mask = (1 << polynomial.bits) - 1
        self._register = self._mask

    def update(self, data: memoryview, /) -> None:
        whole = len(data) // _LANE
        if whole >= 8:
            lanes = np.frombuffer(data[: whole * _LANE], dtype=np.uint8).reshape(whole, _LANE)
            self._register = _lanes(self._polynomial, lanes, self._register)
            data = data[whole * _LANE :]
        table, register = _byte_table(self._polynomial), self._register
        for byte in bytes(data):
            register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        self._register = register

    def digest(self) -> bytes:
        return (self._register ^ self._mask).to_bytes(self._polynomial.bits // 8, "big")


@lru_cache
def _byte_table(polynomial: Polynomial) -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial.reflected if value & 1 else 0)
        table.append(value)
    return table


@lru_cache
def _slices(polynomial: Polynomial) -> _Words:
    """Tables for eight bytes at a time: row k moves a byte's register on by k further zero bytes."""
    table = _byte_table(polynomial)
    rows = [table]
    for _ in range(7):
        rows.append([table[value & 0xFF] ^ (value >> 8) for value in rows[-1]])
    return np.array(rows, dtype=np.uint64)


def _lanes(polynomial: Polynomial, lanes: NDArray[np.uint8], register: int) -> int:
    slices = _slices(polynomial)
    words = np.ascontiguousarray(lanes.view(np.uint64).T)  # one row for each step, one column for each lane
    registers = np.zeros(lanes.shape[0], dtype=np.uint64)
    registers[0] = register
    low = np.uint64(0xFF)
    for row in words:
        mixed = registers ^ row
        registers = slices[7][(mixed & low).astype(np.intp)]
        for index in range(1, 8):
            registers = registers ^ slices[7 - index][((mixed >> np.uint64(8 * index)) & low).astype(np.intp)]
    return _join(polynomial, registers)


def _join(polynomial: Polynomial, registers: _Words) -> int:
    """Join lanes pairwise; where their number is odd, a lane of nothing goes in front (it changes nothing)."""
    level = 0
    while len(registers) > 1:
        if len(registers) % 2:
            registers = np.concatenate((np.zeros(1, dtype=np.uint64), registers))
        registers = _apply(_advance(polynomial, level), registers[0::2]) ^ registers[1::2]
        level += 1
    return int(registers[0])


@lru_cache(maxsize=128)
def _advance(polynomial: Polynomial, level: int) -> _Words:
    """The operator that moves a register on by `_LANE << level` zero bytes, as eight tables by the register's bytes."""
    if level:
        half = _advance(polynomial, level - 1)
        return np.stack([_apply(half, half[index]) for index in range(8)])
    table = _byte_table(polynomial)
    columns = []
    for bit in range(64):
        value = 1 << bit if bit < polynomial.bits else 0
        for _ in range(_LANE):
            value = table[value & 0xFF] ^ (value >> 8)
        columns.append(value)
    tables = [[0] * 256 for _ in range(8)]
    for index in range(8):
        for byte in range(1, 256):
            low = (byte & -byte).bit_length() - 1
            tables[index][byte] = tables[index][byte & (byte - 1)] ^ columns[8 * index + low]
    return np.array(tables, dtype=np.uint64)


def _apply(operator: _Words, registers: _Words) -> _Words:
    result: _Words = operator[0][(registers & np.uint64(0xFF)).astype(np.intp)]
    for index in range(1, 8):
        result = result ^ operator[index][((registers >> np.uint64(8 * index)) & np.uint64(0xFF)).astype(np.intp)]
    return result
