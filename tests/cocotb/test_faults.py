"""What goes wrong with the card's own requests: errors, silence, bus master off."""

import cocotb
from cocotb.triggers import Timer
from cocotbext.pcie.core.tlp import CplStatus, Tlp
from cocotbext.pcie.core.utils import PcieId

from bench import HOST_BYTES, LIMIT, machine
from card import ABORT, BUS_MASTER_OFF, OK, POISONED, TIMEOUT, UNSUPPORTED

# Cycles after which an unanswered read fails here.
PATIENCE = 3000

# Where the host has nothing, and where its memory refuses.
NOTHING = 0xA000_0000
REFUSED = 0x4000_0000


class Spoiler:
    """A root complex that answers some reads of the card wrongly."""

    def __init__(self, m, share):
        self.m = m
        self.share = share
        # Range of addresses to cause, of the reads that fail.
        self.spoilt = []
        m.handle_reads(self.handle)

    async def handle(self, tlp):
        """Answers a read, well or not."""
        random = self.m.random
        if random.random() >= self.share:
            await self.m.root.handle_mem_read_tlp(tlp)
            return
        ways = {
            self.bad_status: [(CplStatus.UR, UNSUPPORTED), (CplStatus.CA, ABORT)]
            + [(CplStatus.CRS, UNSUPPORTED), (3, UNSUPPORTED), (7, UNSUPPORTED)],
            self.poisoned: [(None, POISONED)],
            self.wrong_count: [(1, TIMEOUT), (-1, TIMEOUT), (4, TIMEOUT)],
            self.wrong_place: [(4, TIMEOUT), (64, TIMEOUT)],
            self.nothing: [(None, TIMEOUT)],
        }
        way = random.choice(list(ways))
        argument, cause = random.choice(ways[way])
        self.spoilt.append((tlp.address, tlp.address + 4 * tlp.length, cause))
        await way(tlp, argument)

    def part(self, tlp, start, words):
        """The completion with some words of the answer, as it should be."""
        cpl = Tlp.create_completion_data_for_tlp(tlp, PcieId(0, 0, 0))
        at = tlp.address + 4 * start
        region = self.m.low
        offset = at - region.get_absolute_address(0)
        cpl.set_data(region[offset : offset + 4 * words])
        cpl.byte_count = 4 * (tlp.length - start)
        cpl.lower_address = at & 0x7F
        return cpl

    def first_part(self, tlp):
        """Up to a read completion boundary, if there is one inside, and what is left."""
        words = 16 - tlp.address // 4 % 16
        return words if words < tlp.length else 0

    async def bad_status(self, tlp, status):
        """A bad status, at once or behind a good part."""
        start = self.first_part(tlp) if self.m.random.random() < 0.5 else 0
        if start:
            await self.m.root.send(self.part(tlp, 0, start))
        cpl = Tlp.create_completion_for_tlp(tlp, PcieId(0, 0, 0), status=status)
        cpl.byte_count = 4 * (tlp.length - start)
        cpl.lower_address = (tlp.address + 4 * start) & 0x7F
        await self.m.root.send(cpl)

    async def poisoned(self, tlp, _):
        """One of the parts is poisoned."""
        words = self.first_part(tlp)
        parts = [(0, tlp.length)] if not words else [(0, words), (words, tlp.length - words)]
        bad = self.m.random.randrange(len(parts))
        for index, (start, count) in enumerate(parts):
            cpl = self.part(tlp, start, count)
            cpl.ep = index == bad
            await self.m.root.send(cpl)

    async def wrong_count(self, tlp, difference):
        """A byte count that is not what is left."""
        cpl = self.part(tlp, 0, tlp.length)
        cpl.byte_count += difference
        await self.m.root.send(cpl)

    async def wrong_place(self, tlp, difference):
        """A lower address of other bytes."""
        cpl = self.part(tlp, 0, tlp.length)
        cpl.lower_address ^= difference
        await self.m.root.send(cpl)

    async def nothing(self, tlp, _):
        """No answer."""

    def cause(self, address):
        """Why the line at this address must have failed, or that it must not."""
        causes = [cause for start, end, cause in self.spoilt if start <= address < end]
        return causes[-1] if causes else OK


@cocotb.test(**LIMIT)
@cocotb.parametrize(rough=[0.0, 0.4])
async def bad_completions(dut, rough):
    """A read that fails has the cause on exactly its lines; others do not notice."""
    async with machine(dut, max_read=1, timeout=PATIENCE) as m:
        m.rough(rough)
        data = m.fill(m.low)
        line = m.engines.line
        for _ in range(10):
            spoiler = Spoiler(m, 0.25)
            # Bursts of one call do not overlap, so that an address tells a request.
            length = m.random.randint(1, 6000)
            offset = m.random.randrange(HOST_BYTES - length)
            base = m.low.get_absolute_address(offset)
            got, causes = await m.engines.read(base, length)
            first = base - base % line
            for index, cause in enumerate(causes):
                address = first + index * line
                expected = spoiler.cause(address)
                assert cause == expected, f"line at {address:#x}: {cause}, not {expected}"
            for index, byte in enumerate(got):
                if causes[(base + index - first) // line] == OK:
                    assert byte == data[offset + index]
            m.handle_reads_as_ever()
        m.rough(0.0)
        await m.check_alive()


@cocotb.test(**LIMIT)
async def nobody_there(dut):
    """The root complex itself refuses what it has no memory for."""
    async with machine(dut) as m:
        for address, expected in ((NOTHING, UNSUPPORTED), (REFUSED, ABORT)):
            for length in (1, 100, 5000):
                _, causes = await m.engines.read(address + 3, length)
                assert set(causes) == {expected}
        # Writes are posted: nobody tells the card.
        assert set(await m.engines.write(NOTHING, bytes(100))) == {OK}
        await m.check_alive()


@cocotb.test(**LIMIT)
async def late_completions(dut):
    """Completions that come after their time do not reach other reads."""
    async with machine(dut, timeout=PATIENCE) as m:
        data = m.fill(m.low)
        held = []

        async def hold(tlp):
            held.append(tlp)

        for _ in range(4):
            m.handle_reads(hold)
            length = m.random.randint(2000, 8192)
            offset = m.random.randrange(HOST_BYTES - length)
            base = m.low.get_absolute_address(offset)
            _, causes = await m.engines.read(base, length)
            assert set(causes) == {TIMEOUT}
            m.reorder_reads(2000)

            async def release():
                while held:
                    await Timer(m.random.randrange(1, 300), unit="ns")
                    await m.root.handle_mem_read_tlp(held.pop(m.random.randrange(len(held))))

            task = cocotb.start_soon(release())
            for _ in range(4):
                got = await m.engines.read(base, length)
                assert got == (data[offset : offset + length], [OK] * len(got[1]))
            await task
            await m.quiet()


@cocotb.test(**LIMIT)
async def tags_come_back(dut):
    """Tags whose answers never come are used again once they have rested."""
    async with machine(dut, timeout=PATIENCE) as m:
        data = m.fill(m.low)
        base = m.low.get_absolute_address(0)
        for _ in range(3):

            async def drop(_tlp):
                pass

            m.handle_reads(drop)
            # More requests than there are tags.
            _, causes = await m.engines.read(base, HOST_BYTES)
            assert set(causes) == {TIMEOUT}
            m.handle_reads_as_ever()
            got = await m.engines.read(base, HOST_BYTES)
            assert got == (data, [OK] * len(got[1]))


@cocotb.test(**LIMIT)
async def no_bus_master(dut):
    """Without bus master nothing is sent, and every access fails with that cause."""
    async with machine(dut) as m:
        before = m.fill(m.low)
        base = m.low.get_absolute_address(0)
        for length in (1, 64, 4097):
            await m.device.clear_master()
            _, causes = await m.engines.read(base + 7, length)
            assert set(causes) == {BUS_MASTER_OFF}
            assert set(await m.engines.write(base + 7, bytes(length))) == {BUS_MASTER_OFF}
            assert m.low[0:HOST_BYTES] == before
            await m.device.set_master()
            got = await m.engines.read(base + 7, length)
            assert got == (before[7 : 7 + length], [OK] * len(got[1]))
        await m.check_alive()


@cocotb.test(**LIMIT)
@cocotb.parametrize(rough=[0.0, 0.4])
async def bus_master_falls(dut, rough):
    """Bus master falls in the middle of DMA: what succeeded is right, the rest says so."""
    async with machine(dut) as m:
        m.rough(rough)
        for _ in range(16):
            data = m.fill(m.low)
            model = m.fill(m.high)
            length = m.random.randint(500, 6000)
            offset = m.random.randrange(HOST_BYTES - length)
            fresh = m.random.randbytes(length)
            reading = cocotb.start_soon(
                m.engines.read(m.low.get_absolute_address(offset), length)
            )
            writing = cocotb.start_soon(
                m.engines.write(m.high.get_absolute_address(offset), fresh)
            )
            await m.cycles(m.random.randrange(1, 700))
            await m.device.clear_master()
            await m.cycles(m.random.randrange(1, 100))
            if m.random.random() < 0.5:
                await m.device.set_master()
            got, causes = await reading
            assert set(causes) <= {OK, BUS_MASTER_OFF}
            first = offset % m.engines.line
            for index, byte in enumerate(got):
                if causes[(first + index) // m.engines.line] == OK:
                    assert byte == data[offset + index]
            causes = await writing
            assert set(causes) <= {OK, BUS_MASTER_OFF}
            await m.device.set_master()
            await m.quiet()
            after = m.high[0:HOST_BYTES]
            whole = model[:offset] + fresh + model[offset + length :]
            if set(causes) == {OK}:
                assert after == whole
            else:
                pairs = zip(after, model, whole)
                assert all(byte in (old, new) for byte, old, new in pairs)
        m.rough(0.0)
        await m.check_alive()
