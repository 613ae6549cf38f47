"""A whole machine: root complex, hard block, the endpoint under test, and a card above it."""

import json
import os
from contextlib import asynccontextmanager
from random import Random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.axi import AxiBus, AxiRam, MemoryRegion
from cocotbext.pcie.core import RootComplex
from cocotbext.pcie.core.caps import PciCapId
from cocotbext.pcie.core.tlp import TlpType

from card import Engines, Registers
from hard_block import HardBlock, quiet_logs

# What the contract says of the card; the program that starts the simulator passes it on.
CARD = json.loads(os.environ["SYSTOLE_CARD"])

# Whether the long tier was asked for.
FULL = os.environ.get("SYSTOLE_FULL", "0") != "0"

PERIOD = 4  # ns

# Simulated time after which a test hangs.
LIMIT = {"timeout_time": 1000 if FULL else 10, "timeout_unit": "ms"}

# Bytes of each of the host's memories: what a DMA of 8 KiB at any offset in 4 KiB touches, and
# room for guards around it.
HOST_BYTES = 0x4000

# Where the host has memory that needs addresses of 64 bits.
HIGH = 0x0123_4567_0000_0000

# Cycles after which the endpoint gives up a read, unless a test says otherwise: never in a test.
# Tags without an answer rest for twice the longest one of all tests.
LINK_TIMEOUT = 1 << 14


class Machine:
    """Everything around the endpoint, and shorthand for what tests do with it."""

    def __init__(self, dut):
        quiet_logs()
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.edge = RisingEdge(dut.clock)

    async def start(
        self,
        max_payload=0,
        max_read=2,
        host_read=2,
        boundary_128=False,
        split_all=False,
        timeout=LINK_TIMEOUT,
    ):
        """Clock, reset and enumeration.

        Sizes are as in the device control register: the largest payload, the largest read of the
        card and the largest read of the host. `boundary_128` and `split_all` say where the root
        complex cuts its completions, `timeout` is the patience of the card in cycles.
        """
        dut = self.dut
        for pin in (dut.events, dut.reg_rdata):
            pin.value = 0
        cocotb.start_soon(Clock(dut.clock, PERIOD, unit="ns").start())
        self.root = RootComplex()
        self.root.max_payload_size = max_payload
        self.root.max_read_request_size = host_read
        self.root.read_completion_boundary = boundary_128
        self.root.split_on_all_rcb = split_all
        rest = 2 * max(timeout, CARD["rest_timeout"])
        self.block = HardBlock(dut, CARD, rest * PERIOD, self.random.random())
        self.root.make_port().connect(self.block)
        # Tags that are owed outlast a reset: those of the test before rest, the others are used.
        dut.link_timeout.value = timeout
        dut.reset.value = 1
        await self.cycles(4)
        dut.reset.value = 0
        await self.cycles(200)
        self.memory = AxiRam(
            AxiBus.from_prefix(dut, "w"), dut.clock, dut.reset, size=CARD["memory_bytes"]
        )
        self.engines = Engines(dut, self.random.random())
        self.registers = Registers(dut, self.random.random())
        self.block.start()
        self.low = MemoryRegion(HOST_BYTES)
        self.root.mem_address_space.register_region(self.low, 0x9000_0000)
        self.high = MemoryRegion(HOST_BYTES)
        self.root.mem_address_space.register_region(self.high, HIGH)
        await self.root.enumerate()
        self.device = self.root.find_device(self.block.function.pcie_id)
        await self.device.enable_device()
        await self.device.set_master()
        await self.device.set_readrq(max_read)
        self.bars = self.device.bar_addr
        self.window = self.device.bar_window[CARD["register_bar"]]
        self.memory_window = self.device.bar_window[CARD["memory_bar"]]

    async def cycles(self, count):
        """Lets cycles pass."""
        for _ in range(count):
            await self.edge

    async def set_pin(self, pin, value):
        """Changes an input of the endpoint at the next clock."""
        await self.edge
        pin.value = value

    async def signal(self, vectors):
        """Lets the card have an event for each vector whose bit is set, all in one cycle."""
        await self.set_pin(self.dut.events, vectors)
        await self.set_pin(self.dut.events, 0)

    def rough(self, share):
        """Pauses on all streams and channels, each in `share` of the cycles."""
        self.block.rx_pause = self.block.tx_pause = self.engines.pause = share
        for channel in (
            self.memory.write_if.aw_channel,
            self.memory.write_if.w_channel,
            self.memory.write_if.b_channel,
            self.memory.read_if.ar_channel,
            self.memory.read_if.r_channel,
        ):
            if share:
                channel.set_pause_generator(self._pauses(share))
            else:
                channel.clear_pause_generator()
                channel.pause = False

    def _pauses(self, share):
        random = Random(self.random.random())
        while True:
            yield random.random() < share

    def reorder_reads(self, longest):
        """Lets the root complex answer each read of the card up to `longest` ns later."""

        async def later(tlp):
            delay = self.random.randrange(longest)
            if delay:
                await Timer(delay, unit="ns")
            await self.root.handle_mem_read_tlp(tlp)

        async def handle(tlp):
            cocotb.start_soon(later(tlp))

        self.handle_reads(handle)

    def handle_reads(self, handle):
        """Gives the reads of the card to `handle`."""
        self.root.register_rx_tlp_handler(TlpType.MEM_READ, handle)
        self.root.register_rx_tlp_handler(TlpType.MEM_READ_64, handle)

    def handle_reads_as_ever(self):
        """Gives the reads of the card to the root complex."""
        self.handle_reads(self.root.handle_mem_read_tlp)

    def fill(self, region):
        """Random bytes for a memory of the host; gives them."""
        data = self.random.randbytes(HOST_BYTES)
        region[0:HOST_BYTES] = data
        return data

    async def quiet(self, limit=50_000):
        """Waits until nothing is under way."""
        waited = 0
        while not (self.block.idle() and self.engines.idle()):
            await self.cycles(16)
            waited += 16
            assert waited < limit, "something is still under way"
        # What is on its way through the endpoint or the link.
        await self.cycles(200)
        assert self.block.idle() and self.engines.idle()

    async def check_alive(self):
        """Registers, and DMA both ways."""
        value = self.random.getrandbits(32)
        await self.window.write_dword(0x40, value)
        assert await self.window.read_dword(0x40) == value
        data = self.fill(self.low)
        at, length = self.random.randrange(512), self.random.randrange(1, 1024)
        base = self.low.get_absolute_address(at)
        got = await self.engines.read(base, length)
        assert got is not None and not any(got[1]), got
        assert got[0] == data[at : at + length]
        fresh = self.random.randbytes(length)
        causes = await self.engines.write(base, fresh)
        assert causes is not None and not any(causes), causes
        await self.quiet()
        assert self.low[0:HOST_BYTES] == data[:at] + fresh + data[at + length :]

    async def config_write_command(self, value):
        """Writes the command register."""
        await self.device.config_write_word(4, value)

    async def start_reset(self):
        """Function-level reset, as software starts it."""
        control = await self.device.capability_read_word(PciCapId.EXP, 8)
        await self.device.capability_write_word(PciCapId.EXP, 8, control | 1 << 15)

    async def restore(self):
        """Writes back what a function-level reset took from configuration space."""
        device = self.device
        for bar in (CARD["register_bar"], CARD["memory_bar"], CARD["memory_bar"] + 1):
            await device.config_write_dword(0x10 + 4 * bar, device.bar_raw[bar])
        await self.config_write_command(0b110)


@asynccontextmanager
async def machine(dut, **options):
    """A machine that has started; at the end nothing may be under way."""
    made = Machine(dut)
    await made.start(**options)
    yield made
    await made.quiet()


def lengths(random, count):
    """Lengths of a DMA: all up to 8 KiB in the long tier, else `count` and the borders."""
    most = 8192
    return list(range(1, most + 1)) if FULL else some_lengths(random, count, most)


def some_lengths(random, count, most):
    """`count` lengths up to `most`, and all borders."""
    borders = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]
    for border in (128, 256, 512, 1024, 4096, 8192):
        borders += [border - 1, border, border + 1]
    chosen = {length for length in borders if length <= most}
    stride = max(most // count, 1)
    chosen |= {random.randint(start, start + stride - 1) for start in range(1, most, stride)}
    return sorted(length for length in chosen if length <= most)
