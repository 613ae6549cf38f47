"""Requests and completions that an endpoint refuses or ignores."""

import cocotb
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId

from bench import CARD, LIMIT, machine
from stream import words_of

REGISTER_HIT = 1 << CARD["register_bar"]

# Not a tag of the root complex.
TAG = 0x80

# Cycles in which an answer would have come.
LONG = 300


def request(kind, address, length=1, data=b"", first=0xF, last=0):
    """A request with the header as told."""
    tlp = Tlp()
    tlp.fmt_type = kind
    tlp.requester_id = PcieId(0, 0, 0)
    tlp.tag = TAG
    tlp.address = address
    tlp.length = length
    tlp.data = bytearray(data)
    tlp.first_be, tlp.last_be = first, last if length > 1 else 0
    return tlp


async def unchanged(m, before):
    """Nothing was written, and the card still does its work."""
    await m.cycles(LONG)
    assert not m.registers.writes and bytes(m.registers.memory) == before
    assert m.block.rules.idle()


@cocotb.test(**LIMIT)
async def unsupported(dut):
    """What this endpoint does not do is answered so, with the right kind of completion."""
    async with machine(dut) as m:
        m.rough(0.2)
        base = m.bars[CARD["register_bar"]]
        before = bytes(m.registers.memory)
        cases = [
            request(TlpType.IO_READ, 0x100),
            request(TlpType.IO_READ, 0x100, first=0),
            request(TlpType.IO_WRITE, 0x104, data=bytes(4)),
            request(TlpType.CFG_READ_1, 0),
            request(TlpType.CFG_WRITE_1, 4, data=bytes(4)),
            request(TlpType.MEM_READ_LOCKED, base, 4, last=0xF),
            request(TlpType.MEM_READ_LOCKED, base + 4, 1, first=0x6),
            request(TlpType.MEM_READ_LOCKED_64, base + (1 << 40), 9, first=0xC, last=0x1),
        ]
        for kind, sizes in (("FETCH_ADD", (1, 2)), ("SWAP", (1, 2)), ("CAS", (2, 4, 8))):
            for words in sizes:
                for wide in ("", "_64"):
                    operands = m.random.randbytes(4 * words)
                    kind_of = TlpType[kind + wide]
                    cases.append(request(kind_of, base, words, operands, last=0xF))
        for case in cases:
            for bar in (0, REGISTER_HIT):
                answers = await m.block.inject(case, bar)
                assert [answer.status for answer in answers] == [CplStatus.UR], f"{case!r}"
        await unchanged(m, before)
        await m.check_alive()


@cocotb.test(**LIMIT)
async def no_window(dut):
    """Memory requests to addresses that no BAR has."""
    async with machine(dut) as m:
        before = bytes(m.registers.memory)
        nowhere = m.bars[CARD["register_bar"]] + CARD["register_bytes"]
        for length, first, last in ((1, 0xF, 0), (1, 0, 0), (1, 0x4, 0), (32, 0x8, 0x3)):
            read = request(TlpType.MEM_READ, nowhere, length, first=first, last=last)
            answers = await m.root.perform_nonposted_operation(read)
            assert [answer.status for answer in answers] == [CplStatus.UR]
        await m.root.mem_write(nowhere, bytes(range(64)))
        await unchanged(m, before)
        # Nor has any BAR an address while memory space is off.
        command = await m.device.config_read_word(4)
        await m.device.config_write_word(4, command & ~2)
        read = request(TlpType.MEM_READ, m.bars[CARD["register_bar"]])
        (answer,) = await m.root.perform_nonposted_operation(read)
        assert answer.status == CplStatus.UR
        await m.window.write_dword(0, 1)
        await m.config_write_command(command)
        await unchanged(m, before)
        await m.check_alive()


def malformed(base):
    """Packets that break a rule, with what is wrong with them."""
    write = list(words_of(request(TlpType.MEM_WRITE, base, 4, bytes(16), last=0xF).pack()))
    read = list(words_of(request(TlpType.MEM_READ, base, 4, last=0xF).pack()))
    return [
        ("a word too few", write[:-1]),
        ("a word too many", [*write, 7]),
        ("no payload", write[:3]),
        ("half a header", write[:2]),
        ("one word", write[:1]),
        ("a read with payload", [*read, 1, 2, 3, 4]),
        ("a read without its address", read[:2]),
        ("empty first byte enables", [write[0], write[1] & ~0xF, *write[2:]]),
        ("empty last byte enables", [write[0], write[1] & ~0xF0, *write[2:]]),
        ("gaps in byte enables", [write[0], write[1] & ~0x4, *write[2:]]),
        ("last byte enables of one word", [write[0] & ~0x3FF | 1, *write[1:4]]),
        ("empty byte enables of a read", [read[0], read[1] & ~0xF, read[2]]),
        ("gaps in byte enables of a read", [read[0], read[1] & ~0x20, read[2]]),
        ("a prefix", [0x8000_0000, *write]),
        ("a digest", [write[0] | 1 << 15, *write[1:], 0]),
        ("an unknown type", [write[0] | 0x1B << 24, *write[1:]]),
        ("a poisoned write", [write[0] | 1 << 14, *write[1:]]),
    ]


def ignored():
    """Packets that an endpoint takes without an effect."""
    message = [0x3400_0000, 0x0000_0050, 0, 0]
    return [
        ("a message", message),
        ("a message with data", [0x7400_0001, 0x0000_007F, 0, 0, 5]),
        ("a completion that nobody waits for", [0x4A00_0001, 4, TAG << 8, 5]),
        ("a completion for another function", [0x4A00_0001, 4, 0x0FFF_0000, 5]),
        ("a completion of a locked read", [0x4B00_0001, 4, 0, 5]),
    ]


@cocotb.test(**LIMIT)
async def without_effect(dut):
    """Malformed, poisoned and meaningless packets change nothing, are not answered, and do not
    harm what comes right behind them."""
    async with machine(dut) as m:
        base = m.bars[CARD["register_bar"]]
        before = bytes(m.registers.memory)
        cases = malformed(base) + ignored()
        for rough in (0.0, 0.5):
            m.rough(rough)
            for name, words in cases:
                await m.block.inject_words(words, REGISTER_HIT)
                assert await m.window.read_dword(0x40) == 0, name
            order = cases * 2
            m.random.shuffle(order)
            for name, words in order:
                await m.block.inject_words(words, REGISTER_HIT)
            await unchanged(m, before)
        m.rough(0.0)
        await m.check_alive()


@cocotb.test(**LIMIT)
async def writes_pass_stopped_reads(dut):
    """While nothing can be sent, reads pile up and writes are still done (section 2.4.1)."""
    async with machine(dut) as m:
        m.block.tx_stop = True
        data = m.random.randbytes(2048)
        m.registers.memory[0x800:] = data
        # As many as the root complex has tags for.
        tasks = [
            cocotb.start_soon(m.window.read(0x800 + 64 * index, 64)) for index in range(32)
        ]
        await m.cycles(2000)
        fresh = m.random.randbytes(0x700)
        await m.window.write(0, fresh)
        await m.cycles(4000)
        assert m.registers.memory[:0x700] == fresh
        assert not any(task.done() for task in tasks)
        m.block.tx_stop = False
        for index, task in enumerate(tasks):
            assert await task == data[64 * index :][:64]
