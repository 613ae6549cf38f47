"""What the endpoint owes the link: the rules of section 2.2 of the PCI Express Base Specification
that its packets can break, and which answers are outstanding in both directions."""

from cocotb.utils import get_sim_time
from cocotbext.pcie.core.tlp import CplStatus, TlpAttr, TlpType
from cocotbext.pcie.core.utils import PcieId

READS = {TlpType.MEM_READ, TlpType.MEM_READ_64}
WRITES = {TlpType.MEM_WRITE, TlpType.MEM_WRITE_64}
LOCKED = {TlpType.MEM_READ_LOCKED, TlpType.MEM_READ_LOCKED_64}
ATOMICS = {
    TlpType.FETCH_ADD: 1,
    TlpType.FETCH_ADD_64: 1,
    TlpType.SWAP: 1,
    TlpType.SWAP_64: 1,
    TlpType.CAS: 2,
    TlpType.CAS_64: 2,
}

# Bytes at whose multiples a completer that is no root complex may cut its answers.
READ_COMPLETION_BOUNDARY = 128

# Tags that the endpoint may use: 5 bits, as extended tags are off.
TAGS = 32


def lowest(enables):
    """The first byte that counts; 0 when none does."""
    return (enables & -enables).bit_length() - 1 if enables else 0


def highest(enables):
    """The last byte that counts; 0 when none does."""
    return enables.bit_length() - 1 if enables else 0


def byte_count(request):
    """Bytes from the first that counts to the last (section 2.3.1.1), 1 when none does."""
    if request.length == 1:
        return highest(request.first_be) - lowest(request.first_be) + 1
    return request.length * 4 - lowest(request.first_be) - 3 + highest(request.last_be)


class Ask:
    """A request of the host that waits for its completions."""

    def __init__(self, request):
        self.request = request
        self.reads = request.fmt_type in READS or request.fmt_type in LOCKED
        if self.reads:
            self.left = byte_count(request)
            self.address = request.address + lowest(request.first_be)
        else:
            operands = ATOMICS.get(request.fmt_type)
            self.left = len(request.data) // operands if operands else 4
            self.address = 0
        self.answers = []

    def answer(self, cpl, max_payload):
        """Checks a completion; tells whether it is the last one."""
        request = self.request
        locked = request.fmt_type in LOCKED
        plain = TlpType.CPL_LOCKED if locked else TlpType.CPL
        full = TlpType.CPL_LOCKED_DATA if locked else TlpType.CPL_DATA
        with_data = cpl.status == CplStatus.SC and self.reads
        assert cpl.fmt_type == (full if with_data else plain), f"{cpl!r} answers {request!r}"
        assert cpl.tc == request.tc, "another traffic class than its request"
        # Bits 1:0, the third attribute is not in the header of an older device.
        assert cpl.attr & 3 == request.attr & 3, "other attributes than its request"
        assert not cpl.bcm, "byte count modified by a device that is no bridge"
        assert cpl.byte_count == self.left, f"byte count {cpl.byte_count}, not {self.left}"
        assert cpl.lower_address == self.address & 0x7F, (
            f"lower address {cpl.lower_address:#x}, not {self.address & 0x7F:#x}"
        )
        self.answers.append(cpl)
        if not with_data:
            assert cpl.length == 0, "length is reserved without data"
            return True
        assert cpl.length * 4 <= max_payload, f"{cpl.length} doublewords of payload"
        inside = cpl.length * 4 - (self.address & 3)
        if inside >= self.left:
            assert cpl.length * 4 < self.left + (self.address & 3) + 4, "words without a byte"
            return True
        self.left -= inside
        self.address += inside
        assert self.address % READ_COMPLETION_BOUNDARY == 0, (
            f"a completion ends at {self.address:#x}"
        )
        return False


class Owed:
    """Bytes that the endpoint has asked for."""

    def __init__(self, count):
        self.left = count
        self.since = get_sim_time("ns")

    def age(self):
        """How long ago the request was sent, in ns."""
        return get_sim_time("ns") - self.since


class Rules:
    """Looks at every packet that passes between hard block and endpoint."""

    def __init__(self, grace):
        # Requests of the host by requester and tag, and what is owed to the endpoint by tag.
        self.asks = {}
        self.owed = {}
        self.on_answer = {}
        # Time, in ns, after which the endpoint may use a tag again that was never answered.
        self.grace = grace

    def to_endpoint(self, tlp):
        """The endpoint has taken this packet."""
        if tlp.is_nonposted():
            self.asks[int(tlp.requester_id), tlp.tag] = Ask(tlp)
        elif tlp.is_completion() and tlp.tag in self.owed:
            owed = self.owed[tlp.tag]
            owed.left -= len(tlp.data) - (tlp.lower_address & 3)
            if tlp.status != CplStatus.SC or owed.left <= 0:
                del self.owed[tlp.tag]

    def from_endpoint(self, tlp, function):
        """The endpoint has sent this packet; tells whether the root complex shall see it."""
        own = PcieId(function.pcie_id)
        assert not (tlp.td or tlp.ep or tlp.th or tlp.ln or tlp.at), f"strange header: {tlp!r}"
        assert tlp.check(), f"malformed: {tlp!r}"
        max_payload = 128 << function.pcie_cap.max_payload_size
        if tlp.is_completion():
            assert tlp.completer_id == own, f"completer {tlp.completer_id}, not {own}"
            key = int(tlp.requester_id), tlp.tag
            assert key in self.asks, f"nobody waits for {tlp!r}"
            ask = self.asks[key]
            if ask.answer(tlp, max_payload):
                del self.asks[key]
                if key in self.on_answer:
                    self.on_answer.pop(key)(ask.answers)
                    return False
            return key not in self.on_answer
        assert tlp.requester_id == own, f"requester {tlp.requester_id}, not {own}"
        assert tlp.fmt_type in READS | WRITES, f"an endpoint never sends {tlp!r}"
        assert tlp.tc == 0 and tlp.attr == TlpAttr(0), f"nobody asked for attributes: {tlp!r}"
        wide = tlp.fmt_type in {TlpType.MEM_READ_64, TlpType.MEM_WRITE_64}
        assert wide == (tlp.address >= 1 << 32), "the format must be the shortest for the address"
        self.check_enables(tlp)
        if tlp.fmt_type in WRITES:
            assert tlp.length * 4 <= max_payload, f"{tlp.length} doublewords in a write"
            return True
        limit = 128 << function.pcie_cap.max_read_request_size
        assert tlp.length * 4 <= limit, f"a read of {tlp.length} doublewords"
        assert tlp.tag < TAGS, f"tag {tlp.tag}"
        used = self.owed.get(tlp.tag)
        assert used is None or used.age() >= self.grace, f"tag {tlp.tag} is in use"
        self.owed[tlp.tag] = Owed(byte_count(tlp))
        return True

    @staticmethod
    def check_enables(tlp):
        """Byte enables (section 2.2.5)."""
        if tlp.length == 1:
            assert tlp.last_be == 0, "last byte enables of a single doubleword"
            return
        assert tlp.first_be and tlp.last_be, "empty byte enables"
        if tlp.length == 2 and tlp.address % 8 == 0:
            return
        assert tlp.first_be in {0xF, 0xE, 0xC, 0x8}, f"first byte enables {tlp.first_be:#x}"
        assert tlp.last_be in {0xF, 0x7, 0x3, 0x1}, f"last byte enables {tlp.last_be:#x}"

    def idle(self):
        """Nobody waits for anything."""
        return not self.asks and all(owed.age() >= self.grace for owed in self.owed.values())
