//! What wakes a transceiver up, against one that keeps the order of its manual (UG482, reset and
//! initialization).

mod common;

use common::{Bench, Random};
use fpga::tops::pcie::{LaneIn, Phy};

/// The bit of the register that holds the width of the receiver.
const WIDE: u16 = 1 << 11;

/// A transceiver, as far as its resets go.
struct Transceiver {
    register: u16,
    /// Cycles until an access is answered, and what it writes.
    access: Option<(u64, Option<u16>)>,
    /// Cycles since the resets ended; none while they last.
    since_pll: Option<u64>,
    since_lane: Option<u64>,
    since_user: Option<u64>,
    was_reset: bool,
    was_wide_again: bool,
    delays: [u64; 4],
}

impl Transceiver {
    fn new(register: u16, access: Option<(u64, Option<u16>)>, random: &mut Random) -> Self {
        Self {
            register,
            access,
            since_pll: None,
            since_lane: None,
            since_user: None,
            was_reset: false,
            was_wide_again: false,
            delays: [(); 4].map(|()| 5 + random.below(60)),
        }
    }

    /// Sets what it tells.
    fn drive(&self, bench: &mut Bench) {
        let after = |since: Option<u64>, delay| since.is_some_and(|since| since >= delay);
        let [lock, rise, fall, done] = self.delays;
        let risen = after(self.since_lane, rise);
        let fallen = after(self.since_lane, rise + fall);
        let awake = after(self.since_user, done) && self.was_wide_again;
        for (name, value) in [
            ("pll_locked", after(self.since_pll, lock)),
            ("rx_analogue_done", risen && !fallen),
            ("tx_done", awake),
            ("rx_done", awake),
            ("busy", !awake),
            ("d_ready", self.access.is_some_and(|(left, _)| left == 0)),
        ] {
            bench.set(name, value.into());
        }
        bench.set("d_out", self.register.into());
    }

    /// A cycle of its port for attributes.
    fn access(&mut self, bench: &Bench, random: &mut Random) {
        let is = |name: &str| bench.get(name) == 1;
        match &mut self.access {
            Some((0, write)) => {
                self.register = write.unwrap_or(self.register);
                self.access = None;
                assert!(!is("d_enable"), "an access within an access");
            }
            Some((left, _)) => {
                *left -= 1;
                assert!(!is("d_enable"), "an access within an access");
            }
            None if is("d_enable") => {
                let write = is("d_write").then(|| bench.get("d_in") as u16);
                self.access = Some((random.below(20), write));
            }
            None => {}
        }
    }

    /// A cycle of its resets, so many cycles after configuration.
    fn resets(&mut self, bench: &Bench, age: u64) {
        let is = |name: &str| bench.get(name) == 1;
        let count = |since: Option<u64>, held: bool| match held {
            true => None,
            false => since.map(|since| since + 1),
        };
        if is("pll_reset") {
            assert!(age >= 63, "a reset {age} cycles after configuration");
            self.was_reset = true;
        }
        let began = self.was_reset.then_some(0);
        self.since_pll = count(self.since_pll.or(began), is("pll_reset"));
        if is("lane_reset") {
            self.since_lane = None;
        } else if self.was_reset && self.since_lane.is_none() {
            // The receiver leaves its reset narrow, and only with a clock.
            assert_eq!(self.register & WIDE, 0, "the receiver is wide");
            assert!(
                self.since_pll >= Some(self.delays[0]),
                "the PLL has not locked"
            );
            self.since_lane = Some(0);
        } else {
            self.since_lane = count(self.since_lane, false);
        }
        let fallen = self.delays[1] + self.delays[2];
        if self.since_lane.is_some_and(|since| since >= fallen) && self.register & WIDE != 0 {
            self.was_wide_again = true;
        }
        if is("user_ready") {
            assert!(self.was_wide_again, "the width was not given back");
            self.since_user = Some(self.since_user.map_or(0, |since| since + 1));
        } else {
            self.since_user = None;
        }
    }
}

#[test]
fn a_transceiver_wakes_up_in_its_order() {
    let mut bench = Bench::new(&Phy::default(), "phy");
    let mut random = Random(0x0050_c1e7);
    let before = random.next() as u16 | WIDE;
    let (mut register, mut access) = (before, None);
    for round in 0..100 {
        let mut transceiver = Transceiver::new(register, access, &mut random);
        bench.set("reset", 1);
        for _ in 0..40 {
            // An access that was begun goes on.
            transceiver.drive(&mut bench);
            bench.model.eval();
            transceiver.access(&bench, &mut random);
            bench.model.cycle();
        }
        bench.set("reset", 0);
        // Now and then the reset comes again before the end.
        let cut = (round % 4 == 3).then(|| random.below(400));
        let (mut age, mut awake) = (0, false);
        while !awake && cut != Some(age) {
            transceiver.drive(&mut bench);
            bench.model.eval();
            transceiver.access(&bench, &mut random);
            transceiver.resets(&bench, age);
            awake = bench.get("ready") == 1;
            bench.model.cycle();
            age += 1;
            assert!(age < 2000, "round {round}: it does not wake up");
        }
        if awake {
            assert_eq!(transceiver.register, before, "round {round}");
            assert!(transceiver.since_user >= Some(transceiver.delays[3]));
        }
        // A reset ends it within three cycles, and the block sees it a cycle later.
        bench.set("reset", 1);
        for _ in 0..4 {
            assert_eq!(bench.get("ready"), u64::from(awake));
            transceiver.drive(&mut bench);
            bench.model.eval();
            transceiver.access(&bench, &mut random);
            bench.model.cycle();
            awake &= bench.get("ready") == 1;
        }
        assert!(!awake);
        assert_eq!(bench.get("pipe_busy"), 1);
        (register, access) = (transceiver.register, transceiver.access);
    }
}

#[test]
fn the_block_sees_a_lane_that_is_locked_to() {
    let mut bench = Bench::new(&LaneIn::default(), "lane_in");
    let mut random = Random(0x1a4e);
    let mut run = 0;
    let mut was_good = 0;
    let mut valid = false;
    for cycle in 0..20_000 {
        if random.below(20) == 0 {
            valid = random.below(3) > 0;
        }
        let ready = cycle > 100 && random.below(500) > 0;
        let (data, control) = (random.below(1 << 16), random.below(4));
        let (status, busy, quiet) = (random.below(8), random.below(2), random.below(2));
        for (name, value) in [
            ("ready", ready.into()),
            ("data", data),
            ("control", control),
            ("valid", valid.into()),
            ("busy", busy),
            ("status", status),
            ("quiet", quiet),
        ] {
            bench.set(name, value);
        }
        bench.model.cycle();
        run = if valid && ready { run + 1 } else { 0 };
        for (name, value) in [
            ("pipe_data", data),
            ("pipe_control", control),
            ("pipe_status", status),
            ("pipe_valid", (run >= 16).into()),
            ("pipe_busy", (busy == 1 || !ready).into()),
            ("pipe_quiet", (quiet == 1 || !ready).into()),
        ] {
            assert_eq!(bench.get(name), value, "{name} in cycle {cycle}");
        }
        was_good += u64::from(run >= 16);
    }
    assert!(was_good > 500, "{was_good}");
}
