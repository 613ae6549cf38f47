"""MSI-X: the table, the pending bits, masks, and messages that reach the host."""

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.pcie.core.caps import PciCapId

from bench import CARD, LIMIT, machine

TABLE = CARD["msix_table"]
PENDING = CARD["msix_pending"]
VECTORS = CARD["vectors"]

# Cycles in which a message would have reached the host.
LONG = 400

MASK_ALL = 1 << 14
ENABLE = 1 << 15


class Interrupts:
    """What the tests do with the vectors of a machine."""

    def __init__(self, m):
        self.m = m
        self.counts = [0] * VECTORS

    async def start(self):
        """Lets the root complex set up the table and counts what arrives."""
        assert await self.m.device.alloc_irq_vectors(1, 32) == VECTORS
        for vector in range(VECTORS):
            self.m.device.request_irq(vector, self.counter(vector))

    def counter(self, vector):
        """What the root complex calls when a message comes."""

        async def count():
            self.counts[vector] += 1

        return count

    async def event(self, vector):
        """An event, and the time in which its message reaches the host."""
        await self.m.signal(1 << vector)
        await self.m.cycles(LONG)

    async def pending(self):
        """The pending bits."""
        return await self.m.window.read_dword(PENDING)

    async def mask(self, vector, masked):
        """Writes the mask bit of a vector, and reads it to be sure that it has arrived."""
        at = TABLE + 16 * vector + 12
        await self.m.window.write_dword(at, int(masked))
        assert await self.m.window.read_dword(at) == int(masked)

    async def control(self, set_=0, clear=0):
        """Changes bits of Message Control."""
        device = self.m.device
        old = await device.capability_read_word(PciCapId.MSIX, 2)
        await device.capability_write_word(PciCapId.MSIX, 2, (old | set_) & ~clear)

    def take(self):
        """What came since the last call."""
        counts, self.counts[:] = list(self.counts), [0] * VECTORS
        return counts


def only(*vectors):
    """One message of each of these vectors."""
    return [int(vector in vectors) for vector in range(VECTORS)]


@cocotb.test(**LIMIT)
async def table(dut):
    """Entries keep what is written in any size; masked at first; pending bits are read-only."""
    async with machine(dut) as m:
        fields = (0xFFFF_FFFC, 0xFFFF_FFFF, 0xFFFF_FFFF, 1)
        for vector in range(VECTORS):
            assert await m.window.read_dwords(TABLE + 16 * vector, 4) == [0, 0, 0, 1]
        model = bytearray()
        for vector in range(VECTORS):
            for mask in fields:
                model += (m.random.getrandbits(32) & mask).to_bytes(4, "little")
        await m.window.write(TABLE, model)
        assert await m.window.read(TABLE, len(model)) == model
        for _ in range(60):
            length = m.random.randint(1, 16)
            at = m.random.randrange(len(model) - length + 1)
            data = m.random.randbytes(length)
            await m.window.write(TABLE + at, data)
            for index, byte in enumerate(data, at):
                mask = fields[index // 4 % 4] >> (8 * (index % 4)) & 0xFF
                model[index] = byte & mask
            got = await m.window.read(TABLE, len(model))
            assert got == model, f"{length} bytes at {at:#x}"
        await m.window.write(PENDING, b"\xff" * 16)
        assert await m.window.read(PENDING, 16) == bytes(16)
        # Behind the last entry there is none.
        await m.window.write(TABLE + len(model), b"\xff" * 16)
        assert await m.window.read(TABLE + len(model), 16) == bytes(16)


@cocotb.test(**LIMIT)
@cocotb.parametrize(rough=[0.0, 0.6])
async def messages(dut, rough):
    """An event is one message, in whatever company."""
    async with machine(dut) as m:
        interrupts = Interrupts(m)
        await interrupts.start()
        m.rough(rough)
        for vector in range(VECTORS):
            await interrupts.event(vector)
            assert interrupts.take() == only(vector)
        await m.signal((1 << VECTORS) - 1)
        await m.cycles(2 * LONG)
        assert interrupts.take() == [1] * VECTORS
        await m.cycles(LONG)
        assert interrupts.take() == only()
        for _ in range(5):
            await interrupts.event(1)
        assert interrupts.take()[1] == 5


@cocotb.test(**LIMIT)
async def masks(dut):
    """Masked vectors wait as pending bits, and come once when the mask falls."""
    async with machine(dut) as m:
        interrupts = Interrupts(m)
        await interrupts.start()
        stops = [
            (lambda v: interrupts.mask(v, True), lambda v: interrupts.mask(v, False)),
            (
                lambda v: interrupts.control(set_=MASK_ALL),
                lambda v: interrupts.control(clear=MASK_ALL),
            ),
            (lambda v: interrupts.control(clear=ENABLE), lambda v: interrupts.control(set_=ENABLE)),
            (lambda v: m.device.clear_master(), lambda v: m.device.set_master()),
        ]
        for vector in range(VECTORS):
            for stop, go in stops:
                # Events that wait share one message.
                for events in (1, 3):
                    await stop(vector)
                    for _ in range(events):
                        await interrupts.event(vector)
                    assert interrupts.take() == only()
                    assert await interrupts.pending() == 1 << vector
                    await go(vector)
                    await m.cycles(LONG)
                    assert interrupts.take() == only(vector)
                    assert await interrupts.pending() == 0
        # A masked vector does not hold up the others.
        await interrupts.mask(0, True)
        await m.signal((1 << VECTORS) - 1)
        await m.cycles(2 * LONG)
        assert interrupts.take() == [0] + [1] * (VECTORS - 1)
        assert await interrupts.pending() == 1


@cocotb.test(**LIMIT)
async def wide_addresses(dut):
    """A message to an address of 64 bits."""
    async with machine(dut) as m:
        interrupts = Interrupts(m)
        await interrupts.start()
        for _ in range(6):
            vector = m.random.randrange(VECTORS)
            before = m.fill(m.high)
            at = 4 * m.random.randrange(1024)
            address = m.high.get_absolute_address(at)
            data = m.random.getrandbits(32)
            entry = TABLE + 16 * vector
            await interrupts.mask(vector, True)
            await m.window.write_dwords(entry, [address & 0xFFFF_FFFF, address >> 32, data])
            await interrupts.mask(vector, False)
            await interrupts.event(vector)
            expected = before[:at] + data.to_bytes(4, "little") + before[at + 4 :]
            assert m.high[0 : len(before)] == expected
        assert interrupts.take() == only()


@cocotb.test(**LIMIT)
async def behind_data(dut):
    """A message does not overtake the writes whose answers the card had before it."""
    async with machine(dut) as m:
        interrupts = Interrupts(m)
        await interrupts.start()
        m.block.tx_pause = 0.5
        for _ in range(12):
            length = m.random.randint(1, 3000)
            data = m.random.randbytes(length)
            await m.engines.write(m.low.get_absolute_address(5), data)
            event = m.device.msi_vectors[2].event
            event.clear()
            await m.signal(1 << 2)
            await event.wait()
            assert m.low[5 : 5 + length] == data
            await RisingEdge(m.dut.clock)
            await m.cycles(2)
