"""The card reaches the host: reads and writes of all lengths and alignments."""

from random import Random

import cocotb

from bench import HOST_BYTES, LIMIT, lengths, machine

# Options of the machine, and the share of cycles in which everything pauses.
SHAPES = [
    ({"max_payload": 0, "max_read": 2}, 0.0),
    ({"max_payload": 2, "max_read": 0, "boundary_128": True}, 0.3),
    ({"max_payload": 1, "max_read": 5, "split_all": True}, 0.1),
    ({"max_payload": 0, "max_read": 1, "boundary_128": True, "split_all": True}, 0.6),
]


def place(m, index, length):
    """A memory and an offset in it, all alignments in turn; both kinds of addresses."""
    region = m.high if index % 2 else m.low
    offset = (index * 61 + m.random.randrange(64) * 64) % 4096
    return region, min(offset, HOST_BYTES - length)


async def in_groups(m, jobs, most):
    """Runs jobs, up to `most` of them at a time."""
    while jobs:
        count = m.random.randint(1, most)
        group, jobs = jobs[:count], jobs[count:]
        tasks = [cocotb.start_soon(job) for job in group]
        for task in tasks:
            await task


def share(shape, count):
    """The lengths that a shape tests; every length falls to one of them."""
    random = Random(cocotb.RANDOM_SEED)
    chosen = lengths(random, count)
    random.shuffle(chosen)
    return sorted(chosen[shape :: len(SHAPES)])


@cocotb.test(**LIMIT)
@cocotb.parametrize(shape=range(len(SHAPES)))
async def reads(dut, shape):
    """Whatever the root complex splits and reorders, the card gets its bytes."""
    options, rough = SHAPES[shape]
    async with machine(dut, **options) as m:
        m.rough(rough)
        if shape % 2:
            m.reorder_reads(1500)
        data = {m.low: m.fill(m.low), m.high: m.fill(m.high)}

        async def read(index, length):
            region, offset = place(m, index, length)
            got = await m.engines.read(region.get_absolute_address(offset), length)
            assert not any(got[1]), f"causes {got[1]}"
            expected = data[region][offset : offset + length]
            assert got[0] == expected, f"{length} bytes at {offset:#x}"

        await in_groups(m, [read(i, n) for i, n in enumerate(share(shape, 60))], 4)


@cocotb.test(**LIMIT)
@cocotb.parametrize(shape=range(len(SHAPES)))
async def writes(dut, shape):
    """Exactly the bytes of a write change."""
    options, rough = SHAPES[shape]
    async with machine(dut, **options) as m:
        m.rough(rough)
        model = {m.low: bytearray(m.fill(m.low)), m.high: bytearray(m.fill(m.high))}

        async def write(index, length):
            region, offset = place(m, index, length)
            data = m.random.randbytes(length)
            # In the order of the calls, as the engine keeps it.
            model[region][offset : offset + length] = data
            causes = await m.engines.write(region.get_absolute_address(offset), data)
            assert not any(causes), f"causes {causes}"

        await in_groups(m, [write(i, n) for i, n in enumerate(share(shape, 60))], 4)
        await m.quiet()
        for region, bytes_of in model.items():
            assert region[0:HOST_BYTES] == bytes(bytes_of)


@cocotb.test(**LIMIT)
async def scattered_writes(dut):
    """Any pattern of strobes, also lines and bursts without one."""
    async with machine(dut) as m:
        m.rough(0.2)
        for round_ in range(24):
            model = bytearray(m.fill(m.low))
            length = m.random.randint(1, 600)
            offset = m.random.randrange(4096)
            density = m.random.choice([0.0, 0.02, 0.5, 0.9, 0.99])
            strobes = [m.random.random() < density for _ in range(length)]
            data = m.random.randbytes(length)
            causes = await m.engines.write(m.low.get_absolute_address(offset), data, strobes)
            assert not any(causes), f"causes {causes}"
            await m.quiet()
            for index, marked in enumerate(strobes):
                if marked:
                    model[offset + index] = data[index]
            assert m.low[0:HOST_BYTES] == bytes(model), f"round {round_}"


@cocotb.test(**LIMIT)
async def everything_at_once(dut):
    """DMA both ways, registers, card memory and interrupts, with pauses everywhere."""
    async with machine(dut, max_payload=1, max_read=2) as m:
        m.rough(0.3)
        m.reorder_reads(1000)
        await m.device.alloc_irq_vectors(1, 32)
        data = m.fill(m.low)
        target = bytearray(m.fill(m.high))
        counts = [0] * len(m.device.msi_vectors)

        async def reader():
            for _ in range(12):
                length = m.random.randint(1, 4096)
                offset = m.random.randrange(HOST_BYTES - length)
                got = await m.engines.read(m.low.get_absolute_address(offset), length)
                assert got == (data[offset : offset + length], [0] * len(got[1]))

        async def writer():
            for _ in range(12):
                length = m.random.randint(1, 4096)
                offset = m.random.randrange(HOST_BYTES - length)
                fresh = m.random.randbytes(length)
                target[offset : offset + length] = fresh
                causes = await m.engines.write(m.high.get_absolute_address(offset), fresh)
                assert not any(causes)

        async def host(window, base, size, rounds):
            for _ in range(rounds):
                length = m.random.randint(1, 300)
                at = base + m.random.randrange(size - length)
                fresh = m.random.randbytes(length)
                await window.write(at, fresh)
                assert await window.read(at, length) == fresh

        async def interrupts():
            for _ in range(20):
                vector = m.random.randrange(len(counts))
                event = m.device.msi_vectors[vector].event
                event.clear()
                await m.signal(1 << vector)
                await event.wait()
                counts[vector] += 1
                await m.cycles(m.random.randrange(1, 60))

        jobs = [
            reader(),
            writer(),
            host(m.window, 0, 0x1000, 30),
            host(m.memory_window, 0x2000, 0x4000, 30),
            interrupts(),
        ]
        for task in [cocotb.start_soon(job) for job in jobs]:
            await task
        await m.quiet()
        assert m.high[0:HOST_BYTES] == bytes(target)
        assert sum(counts) == 20
