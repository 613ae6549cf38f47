"""Function-level reset, at any moment."""

import cocotb
from cocotb.triggers import SimTimeoutError, with_timeout

from bench import CARD, HOST_BYTES, LIMIT, machine

TABLE = CARD["msix_table"]
VECTORS = CARD["vectors"]


@cocotb.test(**LIMIT)
@cocotb.parametrize(rough=[0.0, 0.5])
async def in_the_middle_of_dma(dut, rough):
    """All is forgotten, no packet is torn, late answers harm nobody, the card works again."""
    async with machine(dut) as m:
        for _ in range(10):
            m.rough(rough)
            m.reorder_reads(3000)
            data = m.fill(m.low)
            model = m.fill(m.high)
            await m.device.alloc_irq_vectors(1, 32)
            length = m.random.randint(1000, 8000)
            offset = m.random.randrange(HOST_BYTES - length)
            fresh = m.random.randbytes(length)
            reading = cocotb.start_soon(
                m.engines.read(m.low.get_absolute_address(offset), length)
            )
            writing = cocotb.start_soon(
                m.engines.write(m.high.get_absolute_address(offset), fresh)
            )
            # Posted writes to both windows are under way, too.
            await m.window.write(0x100, m.random.randbytes(256))
            await m.memory_window.write(0x1000, m.random.randbytes(600))
            await m.signal(m.random.randrange(1 << VECTORS))
            await m.cycles(m.random.randrange(1, 600))
            await m.start_reset()
            await m.block.resets.wait()
            # Both ended before the reset, or with it.
            causes = await writing
            assert causes is None or not any(causes)
            got = await reading
            assert got is None or got[0] == data[offset : offset + length]
            m.device.msix_enabled = False
            await m.restore()
            whole = model[:offset] + fresh + model[offset + length :]
            pairs = zip(m.high[0:HOST_BYTES], model, whole)
            assert all(byte in (old, new) for byte, old, new in pairs)
            for vector in range(VECTORS):
                assert await m.window.read_dwords(TABLE + 16 * vector, 4) == [0, 0, 0, 1]
            assert await m.window.read_dword(CARD["msix_pending"]) == 0
            m.rough(0.0)
            await m.check_alive()


@cocotb.test(**LIMIT)
async def waits_for_the_packet(dut):
    """While the link takes nothing, a packet that has begun is not cut off by a reset."""
    async with machine(dut, max_payload=2) as m:
        for _ in range(6):
            data = m.fill(m.low)
            base = m.low.get_absolute_address(0)
            writing = cocotb.start_soon(m.engines.write(base, bytes(4096)))
            while not m.block.sending:
                await m.cycles(1)
            await m.cycles(m.random.randrange(8))
            m.block.tx_stop = True
            await m.cycles(4)
            begun = m.block.sending
            await m.start_reset()
            await m.cycles(500)
            if begun:
                assert m.block.resetting, "done in the middle of a packet"
            m.block.tx_stop = False
            await m.block.resets.wait()
            await writing
            await m.restore()
            after = m.low[0:HOST_BYTES]
            assert all(byte in (0, old) for byte, old in zip(after, data))
            await m.check_alive()


@cocotb.test(**LIMIT)
async def host_reads_are_dropped(dut):
    """A read of the host that a reset overtakes is not answered later."""
    async with machine(dut) as m:
        m.block.tx_stop = True
        tasks = [cocotb.start_soon(m.window.read(64 * index, 64)) for index in range(8)]
        await m.cycles(1000)
        await m.start_reset()
        await m.cycles(200)
        m.block.tx_stop = False
        await m.block.resets.wait()
        await m.restore()
        # The rules allow no answer to what was forgotten.
        await m.check_alive()
        for task in tasks:
            if not task.done():
                try:
                    await with_timeout(task, 1, "us")
                    raise AssertionError("answered after the reset")
                except SimTimeoutError:
                    task.cancel()
