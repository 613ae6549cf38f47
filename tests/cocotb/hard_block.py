"""The hard block below the endpoint: a device of cocotbext-pcie whose function is the RTL.

Configuration requests are answered by the model's configuration space, which also drives the
endpoint's `cfg_*` pins. All other packets pass: what the root complex sends goes to the `rx` stream
with the BAR that it hits, what the `tx` stream brings goes to the root complex.
"""

import logging
from collections import deque
from random import Random

import cocotb
from cocotb.queue import Queue
from cocotb.triggers import Event, RisingEdge
from cocotbext.pcie.core import Device
from cocotbext.pcie.core.caps import MsixCapability
from cocotbext.pcie.core.endpoint import Endpoint
from cocotbext.pcie.core.port import FcChannelState
from cocotbext.pcie.core.tlp import Tlp, TlpType
from cocotbext.pcie.core.utils import PcieId

from rules import Rules
from stream import Joiner, beats_of, bytes_of, words_of

CONFIGURATION = {
    TlpType.CFG_READ_0,
    TlpType.CFG_WRITE_0,
    TlpType.CFG_READ_1,
    TlpType.CFG_WRITE_1,
}

# Headers and units of 16 bytes that the block takes from the link before it has handed some on.
POSTED, POSTED_DATA, NON_POSTED, NON_POSTED_DATA = 32, 512, 12, 12

# Packets of the endpoint that may wait for the link.
WAITING = 4

MEMORY = {
    TlpType.MEM_READ,
    TlpType.MEM_READ_64,
    TlpType.MEM_READ_LOCKED,
    TlpType.MEM_READ_LOCKED_64,
    TlpType.MEM_WRITE,
    TlpType.MEM_WRITE_64,
}


class Function(Endpoint):
    """Configuration space of the card."""

    def __init__(self, card, block):
        super().__init__()
        self.block = block
        self.vendor_id = card["vendor"]
        self.device_id = card["device"]
        self.subsystem_vendor_id = card["subsystem_vendor"]
        self.subsystem_id = card["subsystem"]
        self.class_code = card["class"]
        self.revision_id = card["revision"]
        self.pcie_cap.max_payload_size_supported = 2
        self.pcie_cap.extended_tag_supported = False
        self.pcie_cap.function_level_reset_capability = True
        self.pcie_cap.initiate_function_level_reset = block.function_level_reset
        self.msix_cap = MsixCapability()
        self.register_capability(self.msix_cap)
        self.msix_cap.msix_table_size = card["vectors"] - 1
        self.msix_cap.msix_table_bar_indicator_register = card["register_bar"]
        self.msix_cap.msix_table_offset = card["msix_table"]
        self.msix_cap.msix_pba_bar_indicator_register = card["register_bar"]
        self.msix_cap.msix_pba_offset = card["msix_pending"]
        self.configure_bar(card["register_bar"], card["register_bytes"])
        self.configure_bar(card["memory_bar"], card["memory_bytes"], ext=True, prefetch=True)

    async def write_config_register(self, reg, data, mask):
        await super().write_config_register(reg, data, mask)
        await self.block.update_pins()

    def forget(self):
        """What a function-level reset does to configuration space (section 6.6.2)."""
        self.io_space_enable = False
        self.memory_space_enable = False
        self.bus_master_enable = False
        self.bar = [value & 0xF if mask else 0 for value, mask in zip(self.bar, self.bar_mask)]
        self.msix_cap.msix_enable = False
        self.msix_cap.msix_function_mask = False
        self.pcie_cap.max_read_request_size = 2

    def bars_hit(self, tlp):
        """The bits of the BAR that a request hits; both of a BAR of 64 bits."""
        if tlp.fmt_type not in MEMORY or not self.memory_space_enable:
            return 0
        hit = self.match_bar(tlp.address)
        if hit is None:
            return 0
        wide = self.bar[hit[0]] & 4
        return (3 if wide else 1) << hit[0]


class HardBlock(Device):
    """Between a port of cocotbext-pcie and the streams of the endpoint."""

    def __init__(self, dut, card, grace, seed):
        super().__init__()
        port = self.upstream_port
        credits_ = [POSTED, POSTED_DATA, NON_POSTED, NON_POSTED_DATA, 0, 0]
        port.fc_state = [FcChannelState(credits_, port.start_fc_update_timer) for _ in range(8)]
        port.fc_state[0].active = True
        port.max_link_speed = 2
        port.max_link_width = 4
        self.dut = dut
        self.random = Random(seed)
        self.width = len(dut.rx_data) // 32
        self.function = Function(card, self)
        self.append_function(self.function)
        self.rules = Rules(grace)
        # Shares of the cycles in which nothing is offered and nothing is taken.
        self.rx_pause = 0.0
        self.tx_pause = 0.0
        # Stops the sender of the endpoint altogether.
        self.tx_stop = False
        self.resetting = False
        self.resets = Event()
        self._edge = RisingEdge(dut.clock)
        self._rx = deque()
        self._rx_event = Event()
        self._rx_busy = False
        self._to_link = Queue()
        self._joiner = Joiner(self.width)
        # Cycles in which the endpoint could have known that it may not send.
        self._quiet = 0
        dut.rx_valid.value = 0
        dut.tx_ready.value = 0
        dut.flr.value = 0
        self.drive_pins()

    def start(self):
        """Begins to move packets; the endpoint is out of reset."""
        cocotb.start_soon(self._run_rx())
        cocotb.start_soon(self._run_tx())
        cocotb.start_soon(self._run_link())

    def drive_pins(self):
        """Tells the endpoint its configuration."""
        function, dut = self.function, self.dut
        dut.cfg_id.value = int(PcieId(function.pcie_id))
        dut.cfg_bus_master.value = int(function.bus_master_enable)
        dut.cfg_max_payload.value = function.pcie_cap.max_payload_size
        dut.cfg_max_read.value = function.pcie_cap.max_read_request_size
        dut.cfg_msix_enable.value = int(function.msix_cap.msix_enable)
        dut.cfg_msix_mask.value = int(function.msix_cap.msix_function_mask)

    async def update_pins(self):
        """Tells the endpoint its configuration at the next clock, as a synchronous block does."""
        await self._edge
        self.drive_pins()

    async def function_level_reset(self):
        """Somebody has written to Initiate Function Level Reset."""
        self.resetting = True
        self.resets.clear()
        self.function.forget()
        cocotb.start_soon(self._run_reset())

    async def _run_reset(self):
        dut = self.dut
        await self._edge
        dut.flr.value = 1
        # Some blocks give a pulse, others hold the level until the endpoint is done.
        pulse = self.random.random() < 0.5
        cycles = 0
        while not dut.flr_done.value:
            await self._edge
            if pulse:
                dut.flr.value = 0
            cycles += 1
            assert cycles < 20_000, "the function-level reset does not end"
        # The answers to requests that came before are not owed any more.
        self.rules.asks.clear()
        self.drive_pins()
        dut.flr.value = 0
        while dut.flr_done.value:
            await self._edge
        self.resetting = False
        self.resets.set()

    @property
    def sending(self):
        """A packet of the endpoint is under way."""
        return self._joiner.inside

    def idle(self):
        """No packet is under way."""
        waits = self._rx or self._rx_busy or self._joiner.inside or not self._to_link.empty()
        return not waits and self.rules.idle()

    async def upstream_recv(self, tlp):
        if tlp.fmt_type in CONFIGURATION:
            await super().upstream_recv(tlp)
            # The bus number may be new.
            await self.update_pins()
        else:
            self._queue(words_of(tlp.pack()), self.function.bars_hit(tlp), tlp)

    async def inject(self, request, bar=0):
        """Gives the endpoint a request that the root complex would not send; its completions."""
        answered = Event()
        key = int(request.requester_id), request.tag
        answers = []

        def done(completions):
            answers.extend(completions)
            answered.set()

        self.rules.on_answer[key] = done
        self._queue(words_of(request.pack()), bar, request)
        await answered.wait()
        return answers

    async def inject_words(self, words, bar=0):
        """Gives the endpoint any packet at all; returns when it has taken it."""
        taken = Event()
        self._queue(words, bar, taken)
        await taken.wait()

    def _queue(self, words, bar, origin):
        self._rx.append((words, bar, origin))
        self._rx_event.set()

    async def _run_rx(self):
        dut = self.dut
        while True:
            if not self._rx:
                dut.rx_valid.value = 0
                self._rx_event.clear()
                await self._rx_event.wait()
                # Pins change behind a clock edge only, whenever the packet came.
                await self._edge
                continue
            words, bar, origin = self._rx.popleft()
            self._rx_busy = True
            if isinstance(origin, Tlp):
                # Before its last beat: the endpoint may answer at once.
                self.rules.to_endpoint(origin)
            for value, keep, last in beats_of(words, self.width):
                while self.rx_pause and self.random.random() < self.rx_pause:
                    dut.rx_valid.value = 0
                    await self._edge
                dut.rx_data.value = value
                dut.rx_keep.value = keep
                dut.rx_last.value = int(last)
                dut.rx_bar.value = bar
                dut.rx_valid.value = 1
                await self._edge
                while not dut.rx_ready.value:
                    await self._edge
                bar = 0
            self._rx_busy = False
            if isinstance(origin, Tlp):
                origin.release_fc()
            else:
                origin.set()

    async def _run_tx(self):
        dut = self.dut
        stalled = None
        ready = 0
        while True:
            await self._edge
            quiet = self.resetting or not self.function.bus_master_enable
            self._quiet = self._quiet + 1 if quiet else 0
            if dut.tx_valid.value:
                beat = int(dut.tx_data.value), int(dut.tx_keep.value), bool(dut.tx_last.value)
                assert stalled in (None, beat), "a beat changed before it was taken"
                if stalled is None and not self._joiner.inside:
                    self._check_begin(beat[0] & 0xFFFF_FFFF)
                stalled = None if ready else beat
                if ready:
                    words = self._joiner.push(*beat)
                    if words is not None:
                        self._take(words)
            else:
                assert stalled is None, "a beat was withdrawn"
            stop = self.tx_stop or self._to_link.qsize() >= WAITING
            pause = stop or (self.tx_pause and self.random.random() < self.tx_pause)
            if ready == bool(pause):
                ready = int(not pause)
                dut.tx_ready.value = ready

    def _check_begin(self, head):
        """The first beat of a packet is offered: may the endpoint send it?"""
        # It may have been on its way through the arbiter when the pins changed.
        if self._quiet <= 3:
            return
        assert not self.resetting, "a packet begins in a function-level reset"
        completion = (head >> 24) & 0x1E == 0x0A
        assert completion, f"a request begins while bus master is off: {head:#x}"

    def _take(self, words):
        tlp = Tlp.unpack(bytes_of(words))
        if self.rules.from_endpoint(tlp, self.function):
            self._to_link.put_nowait(tlp)

    async def _run_link(self):
        while True:
            await self.send(await self._to_link.get())


def quiet_logs():
    """Leaves only what goes wrong in the models; they warn of every empty slot."""
    for name in ("cocotb.pcie", "cocotb.systole_endpoint"):
        logging.getLogger(name).setLevel(logging.ERROR)
