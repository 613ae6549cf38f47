"""Packets as beats of the endpoint's streams.

A beat carries 2 or 4 doublewords, the first one in the lowest bits of the bus. Headers stand as
numbers, payload has the byte of the lowest address in bits 31:24: both are the bytes of the packet
in the order in which they are sent, four at a time, most significant first.
"""

import struct


def words_of(packet):
    """The doublewords of a packet that is given as bytes in the order of sending."""
    return struct.unpack(f">{len(packet) // 4}I", packet)


def bytes_of(words):
    """The bytes of a packet, in the order of sending."""
    return struct.pack(f">{len(words)}I", *words)


def beats_of(words, width):
    """Cuts a packet into beats of `width` doublewords: bus value, keep and last of each."""
    beats = []
    for start in range(0, len(words), width):
        part = words[start : start + width]
        value = sum(word << (32 * lane) for lane, word in enumerate(part))
        beats.append((value, (1 << len(part)) - 1, start + width >= len(words)))
    return beats


class Joiner:
    """Joins beats to packets and knows what a stream may not do."""

    def __init__(self, width):
        self.width = width
        self.words = []

    @property
    def inside(self):
        """A packet is under way."""
        return bool(self.words)

    def push(self, value, keep, last):
        """Takes a beat; gives the words of the packet that it ends, else None."""
        count = keep.bit_length()
        assert keep and keep == (1 << count) - 1, f"keep {keep:#x} has gaps or is empty"
        assert count <= self.width, f"keep {keep:#x} on a bus of {self.width} doublewords"
        assert last or count == self.width, f"keep {keep:#x} in front of the last beat"
        for lane in range(count):
            self.words.append((value >> (32 * lane)) & 0xFFFF_FFFF)
        if not last:
            return None
        words, self.words = self.words, []
        return words
