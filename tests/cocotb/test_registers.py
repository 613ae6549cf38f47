"""Enumeration, and what the host reads and writes in the card's windows."""

import cocotb
from cocotbext.pcie.core.caps import PciCapId
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpAttr, TlpTc, TlpType

from bench import CARD, FULL, LIMIT, machine, some_lengths

REGISTERS = 0x1000


@cocotb.test(**LIMIT)
async def enumeration(dut):
    """The root complex finds the card, sizes and places its windows, and reaches them."""
    async with machine(dut) as m:
        device = m.device
        assert (device.vendor_id, device.device_id) == (CARD["vendor"], CARD["device"])
        assert device.class_code == CARD["class"]
        register_bar, memory_bar = CARD["register_bar"], CARD["memory_bar"]
        assert device.bar_size[register_bar] == CARD["register_bytes"]
        assert device.bar_size[memory_bar] == CARD["memory_bytes"]
        for bar in (register_bar, memory_bar):
            assert m.bars[bar] and m.bars[bar] % device.bar_size[bar] == 0
        assert m.bars[memory_bar] >= 1 << 32, "a window of 64 bits"
        found = {capability for capability, _ in device.capabilities}
        assert found >= {PciCapId.PM, PciCapId.EXP, PciCapId.MSIX}
        assert await device.msix_vec_count() == CARD["vectors"]
        # The first and the last byte of both windows.
        for bar, size in ((register_bar, REGISTERS), (memory_bar, CARD["memory_bytes"])):
            window = device.bar_window[bar]
            for offset in (0, size - 1):
                value = m.random.randrange(256)
                await window.write(offset, bytes([value]))
                assert await window.read(offset, 1) == bytes([value])
        assert m.registers.writes[0][0] == 0 and m.registers.writes[-1][0] == REGISTERS - 4


async def window_accesses(m, window, base, size, model, count):
    """Writes and reads of all lengths and alignments against a model of the bytes."""
    for length in range(17):
        for offset in range(0 if FULL else length % 2, 8, 1 if FULL else 2):
            at = base + offset
            data = m.random.randbytes(length)
            await window.write(at, data)
            model[at : at + length] = data
            assert await window.read(at, length) == data, f"{length} bytes at {at:#x}"
    for length in some_lengths(m.random, count, min(size, 8192)):
        at = base + m.random.randrange(size - length + 1)
        data = m.random.randbytes(length)
        await window.write(at, data)
        model[at : at + length] = data
        at, length = at - min(at - base, 5), min(length + 9, size - (at - base))
        got = await window.read(at, length)
        assert got == bytes(model[at : at + length]), f"{length} bytes at {at:#x}"


@cocotb.test(**LIMIT)
@cocotb.parametrize((("rough", "payload", "read"), [(0.0, 0, 5), (0.5, 2, 0)]))
async def registers(dut, rough, payload, read):
    """Registers in all sizes and alignments, bytes that are not enabled stay."""
    async with machine(dut, max_payload=payload, host_read=read) as m:
        m.rough(rough)
        model = bytearray(REGISTERS)
        await window_accesses(m, m.window, 0, REGISTERS, model, 400 if FULL else 16)
        assert m.registers.memory == model
        # Behind the registers there is nothing but the structures of MSI-X.
        nothing = await m.window.read(REGISTERS - 8, 64)
        assert nothing == bytes(model[-8:]) + bytes(56)
        await m.window.write(REGISTERS - 4, bytes(range(64)))
        model[-4:] = bytes(range(4))
        await m.window.read(0, 4)
        assert m.registers.memory == model


@cocotb.test(**LIMIT)
async def byte_enables(dut):
    """Every pattern of byte enables that one or two doublewords may have."""
    async with machine(dut) as m:
        base = m.bars[CARD["register_bar"]] + 0x80
        for first in range(16):
            for last in [None, *range(1, 16)]:
                if last is not None and first == 0:
                    continue
                words = 1 if last is None else 2
                before = m.random.randbytes(8)
                data = m.random.randbytes(4 * words)
                m.registers.memory[0x80:0x88] = before
                request = Tlp()
                request.fmt_type = TlpType.MEM_WRITE
                request.address = base
                request.set_data(data)
                request.first_be, request.last_be = first, last or 0
                await m.root.send(request)
                request = Tlp()
                request.fmt_type = TlpType.MEM_READ
                request.address = base
                request.length = words
                request.first_be, request.last_be = first, last or 0
                answers = await m.root.perform_nonposted_operation(request)
                enables = first | (last or 0) << 4
                expected = bytes(
                    data[lane] if enables >> lane & 1 else before[lane] for lane in range(8)
                )
                assert m.registers.memory[0x80:0x88] == expected, f"{first:#x} {last}"
                got = b"".join(answer.get_data() for answer in answers)
                for lane in range(4 * words):
                    if enables >> lane & 1:
                        assert got[lane] == expected[lane], f"{first:#x} {last}"


@cocotb.test(**LIMIT)
async def zero_length(dut):
    """Reads and writes without a byte: one doubleword comes back, nothing changes."""
    async with machine(dut) as m:
        m.registers.memory[:] = before = m.random.randbytes(REGISTERS)
        for bar in (CARD["register_bar"], CARD["memory_bar"]):
            for offset in (0, 4, 0x7C, 0xFFC):
                request = Tlp()
                wide = m.bars[bar] >= 1 << 32
                request.fmt_type = TlpType.MEM_READ_64 if wide else TlpType.MEM_READ
                request.address = m.bars[bar] + offset
                request.length = 1
                (answer,) = await m.root.perform_nonposted_operation(request)
                assert answer.status == CplStatus.SC and answer.length == 1
                assert answer.byte_count == 1
                await m.device.bar_window[bar].write(offset, b"")
                assert await m.device.bar_window[bar].read(offset, 0) == b""
        assert m.registers.memory == before
        assert not any(strobes for _, strobes in m.registers.writes)


@cocotb.test(**LIMIT)
@cocotb.parametrize((("rough", "payload", "read"), [(0.0, 2, 5), (0.4, 0, 2)]))
async def card_memory(dut, rough, payload, read):
    """The window to card memory in all lengths up to 8 KiB and all alignments."""
    async with machine(dut, max_payload=payload, host_read=read) as m:
        m.rough(rough)
        base = m.random.randrange(0, CARD["memory_bytes"] - 0x8000, 0x1000)
        model = bytearray(base + 0x8000)
        m.memory.write(base, bytes(0x8000))
        await window_accesses(m, m.memory_window, base, 0x8000, model, 400 if FULL else 8)
        await m.quiet()
        assert m.memory.read(base, 0x8000) == bytes(model[base:])


@cocotb.test(**LIMIT)
async def attributes(dut):
    """Traffic class, attributes and tags come back as they were sent."""
    async with machine(dut) as m:
        base = m.bars[CARD["register_bar"]]
        for traffic in TlpTc:
            for bits in range(4):
                # The rules compare each completion with its request.
                await m.root.mem_read(base + 0x100, 32, attr=TlpAttr(bits), tc=traffic)
