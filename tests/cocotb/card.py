"""The card above the endpoint: engines that reach the host, registers and card memory."""

from collections import deque
from random import Random

import cocotb
from cocotb.triggers import Event, RisingEdge

# Most lines of a burst.
BURST = 256

# Why an access failed, as the endpoint names it.
OK, TIMEOUT, POISONED, UNSUPPORTED, ABORT, BUS_MASTER_OFF = range(6)


class Burst:
    """A burst of lines: its address, how many, and what became of it."""

    def __init__(self, address, lines, data=None, strobes=None):
        self.address = address
        self.lines = lines
        self.data = data
        self.strobes = strobes
        self.causes = []
        self.received = []
        self.aborted = False
        self.done = Event()

    def finish(self):
        """Nothing more will come."""
        self.done.set()


class Engines:
    """The master on the endpoint's `h_*` port: bursts of whole lines, with byte strobes."""

    def __init__(self, dut, seed):
        self.dut = dut
        self.random = Random(seed)
        self.line = len(dut.h_rdata) // 8
        # Share of the cycles in which a channel rests.
        self.pause = 0.0
        self._edge = RisingEdge(dut.clock)
        self._tasks = []
        self._queues = {name: deque() for name in ("ar", "r", "aw", "w", "b")}
        self._events = {name: Event() for name in self._queues}
        self._rest()
        self._start()
        cocotb.start_soon(self._run_reset())

    def idle(self):
        """No burst is under way."""
        return not any(self._queues.values())

    async def read(self, address, length):
        """Reads bytes; gives them and the causes of all lines, or None after a reset."""
        first = address - address % self.line
        bursts = []
        for start, lines in self._cut(first, address + length):
            burst = Burst(start, lines)
            bursts.append(burst)
            self._put("ar", burst)
            self._put("r", burst)
        for burst in bursts:
            await burst.done.wait()
        if any(burst.aborted for burst in bursts):
            return None
        data = b"".join(
            line.to_bytes(self.line, "little") for burst in bursts for line in burst.received
        )
        causes = [cause for burst in bursts for cause in burst.causes]
        return data[address - first :][:length], causes

    async def write(self, address, data, strobes=None):
        """Writes the bytes whose strobe is set; the cause of each burst, or None after a reset."""
        first = address - address % self.line
        end = address + len(data)
        whole = bytes(address - first) + bytes(data)
        whole += bytes(-len(whole) % self.line)
        marks = [False] * (address - first) + list(strobes or [True] * len(data))
        marks += [False] * (len(whole) - len(marks))
        bursts = []
        for start, lines in self._cut(first, end):
            data_of, strobes_of = [], []
            for line in range(lines):
                at = start - first + line * self.line
                data_of.append(int.from_bytes(whole[at : at + self.line], "little"))
                bits = marks[at : at + self.line]
                strobes_of.append(sum(bit << lane for lane, bit in enumerate(bits)))
            burst = Burst(start, lines, data_of, strobes_of)
            bursts.append(burst)
            for queue in ("aw", "w", "b"):
                self._put(queue, burst)
        for burst in bursts:
            await burst.done.wait()
        if any(burst.aborted for burst in bursts):
            return None
        return [cause for burst in bursts for cause in burst.causes]

    def _cut(self, first, end):
        """Bursts of random length that cover the bytes from `first` to `end`."""
        while first < end:
            lines = -(-(end - first) // self.line)
            most = self.random.choice([1, 3, 16, BURST, BURST])
            lines = min(lines, self.random.randint(1, most) if most < BURST else BURST)
            yield first, lines
            first += lines * self.line

    def _put(self, name, burst):
        self._queues[name].append(burst)
        self._events[name].set()

    def _start(self):
        runs = [self._run_ar(), self._run_r(), self._run_aw(), self._run_w(), self._run_b()]
        self._tasks = [cocotb.start_soon(run) for run in runs]

    def _rest(self):
        dut = self.dut
        for valid in (dut.h_arvalid, dut.h_awvalid, dut.h_wvalid, dut.h_rready, dut.h_bready):
            valid.value = 0

    async def _run_reset(self):
        """The card forgets everything when the endpoint says so."""
        dut = self.dut
        while True:
            await RisingEdge(dut.card_reset)
            await self._edge
            for task in self._tasks:
                task.cancel()
            self._rest()
            bursts = {burst for queue in self._queues.values() for burst in queue}
            for queue in self._queues.values():
                queue.clear()
            for burst in bursts:
                burst.aborted = True
                burst.finish()
            while dut.card_reset.value:
                await self._edge
            self._start()

    async def _next(self, name):
        """Waits until a burst stands in the queue of a channel; gives it and leaves it there.

        Returns behind a clock edge, so that pins change there only.
        """
        queue = self._queues[name]
        while not queue:
            self._events[name].clear()
            await self._events[name].wait()
            await self._edge
        return queue[0]

    async def _rest_a_while(self):
        while self.pause and self.random.random() < self.pause:
            await self._edge

    async def _offer(self, valid, ready):
        """Holds up `valid` until the other side is ready."""
        valid.value = 1
        await self._edge
        while not ready.value:
            await self._edge
        valid.value = 0

    async def _run_ar(self):
        dut = self.dut
        while True:
            burst = await self._next("ar")
            await self._rest_a_while()
            dut.h_araddr.value = burst.address
            dut.h_arlen.value = burst.lines - 1
            await self._offer(dut.h_arvalid, dut.h_arready)
            self._queues["ar"].popleft()

    async def _run_aw(self):
        dut = self.dut
        while True:
            burst = await self._next("aw")
            await self._rest_a_while()
            dut.h_awaddr.value = burst.address
            await self._offer(dut.h_awvalid, dut.h_awready)
            self._queues["aw"].popleft()

    async def _run_w(self):
        dut = self.dut
        while True:
            burst = await self._next("w")
            for line in range(burst.lines):
                if self.pause and self.random.random() < self.pause:
                    dut.h_wvalid.value = 0
                    await self._edge
                dut.h_wdata.value = burst.data[line]
                dut.h_wstrb.value = burst.strobes[line]
                dut.h_wlast.value = int(line + 1 == burst.lines)
                dut.h_wvalid.value = 1
                await self._edge
                while not dut.h_wready.value:
                    await self._edge
            dut.h_wvalid.value = 0
            self._queues["w"].popleft()

    async def _run_r(self):
        dut = self.dut
        while True:
            burst = await self._next("r")
            while len(burst.received) < burst.lines:
                ready = not (self.pause and self.random.random() < self.pause)
                dut.h_rready.value = int(ready)
                await self._edge
                if not (ready and dut.h_rvalid.value):
                    continue
                burst.received.append(int(dut.h_rdata.value))
                failed, cause = int(dut.h_rresp.value), int(dut.h_ruser.value)
                assert bool(failed) == bool(cause), f"resp {failed} with cause {cause}"
                burst.causes.append(cause)
                last = len(burst.received) == burst.lines
                assert bool(dut.h_rlast.value) == last, "h_rlast is not with the last line"
            dut.h_rready.value = 0
            self._queues["r"].popleft()
            burst.finish()

    async def _run_b(self):
        dut = self.dut
        while True:
            burst = await self._next("b")
            await self._rest_a_while()
            await self._offer(dut.h_bready, dut.h_bvalid)
            failed, cause = int(dut.h_bresp.value), int(dut.h_buser.value)
            assert bool(failed) == bool(cause), f"resp {failed} with cause {cause}"
            burst.causes.append(cause)
            self._queues["b"].popleft()
            burst.finish()


class Registers:
    """The register port: plain memory, whose value is there for one cycle only."""

    def __init__(self, dut, seed):
        self.dut = dut
        self.memory = bytearray(1 << len(dut.reg_addr))
        self.random = Random(seed)
        self.reads = []
        self.writes = []
        cocotb.start_soon(self._run())

    async def _run(self):
        dut = self.dut
        edge = RisingEdge(dut.clock)
        while True:
            await edge
            value = self.random.getrandbits(32)
            if dut.reg_read.value:
                at = int(dut.reg_addr.value)
                assert at % 4 == 0, f"register {at:#x}"
                value = int.from_bytes(self.memory[at : at + 4], "little")
                self.reads.append(at)
            dut.reg_rdata.value = value
            if dut.reg_write.value:
                at = int(dut.reg_addr.value)
                assert at % 4 == 0, f"register {at:#x}"
                data = int(dut.reg_wdata.value).to_bytes(4, "little")
                strobes = int(dut.reg_strobes.value)
                for lane in range(4):
                    if strobes >> lane & 1:
                        self.memory[at + lane] = data[lane]
                self.writes.append((at, strobes))
