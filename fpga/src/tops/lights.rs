//! Status lights.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Eight lights that tell how the card is; `docs/fpga.md` says what they mean.
///
/// ```text
///                                +--------+  7     6    5    4     3      2       1       0
/// reset, session, error       -->| Lights |  reset 0  noise error work traffic session heartbeat
/// traffic, active, noise      -->|        |--> led
///                                +--------+
/// ```
///
/// What lasts a cycle is shown for as many as an eye needs. The heartbeat changes every 2^25 cycles.
#[derive(LogicBlock)]
pub struct Lights {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The design is in reset.
    pub reset: Signal<In, Bit>,
    /// The host has said hello.
    pub session: Signal<In, Bit>,
    /// A frame comes or goes.
    pub traffic: Signal<In, Bit>,
    /// Something is under way.
    pub active: Signal<In, Bit>,
    /// A frame was spoiled or a message refused.
    pub error: Signal<In, Bit>,
    /// A byte had no stop bit.
    pub noise: Signal<In, Bit>,
    /// The lights, of bit 0 first.
    pub led: Signal<Out, Bits<8>>,
    beat: DFF<Bits<26>>,
    traffic_shown: DFF<Bits<22>>,
    // Known from all over the card.
    active_seen: DFF<Bit>,
    active_shown: DFF<Bits<22>>,
    noise_shown: DFF<Bits<22>>,
    shown: DFF<Bits<8>>,
    beat_mark: Signal<Local, Bits<8>>,
    session_mark: Signal<Local, Bits<8>>,
    traffic_mark: Signal<Local, Bits<8>>,
    active_mark: Signal<Local, Bits<8>>,
    error_mark: Signal<Local, Bits<8>>,
    noise_mark: Signal<Local, Bits<8>>,
    reset_mark: Signal<Local, Bits<8>>,
    full: Constant<Bits<22>>,
}

impl Lights {
    /// Lights that show what lasts a cycle for `shown` of them, less than 2^22.
    pub fn new(shown: u64) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            session: Default::default(),
            traffic: Default::default(),
            active: Default::default(),
            error: Default::default(),
            noise: Default::default(),
            led: Default::default(),
            beat: Default::default(),
            traffic_shown: Default::default(),
            active_seen: Default::default(),
            active_shown: Default::default(),
            noise_shown: Default::default(),
            shown: Default::default(),
            beat_mark: Default::default(),
            session_mark: Default::default(),
            traffic_mark: Default::default(),
            active_mark: Default::default(),
            error_mark: Default::default(),
            noise_mark: Default::default(),
            reset_mark: Default::default(),
            full: Constant::new(shown.into()),
        }
    }
}

impl Logic for Lights {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            beat,
            traffic_shown,
            active_seen,
            active_shown,
            noise_shown,
            shown
        );
        self.beat.d.next = self.beat.q.val() + 1;
        if self.traffic_shown.q.val().any() {
            self.traffic_shown.d.next = self.traffic_shown.q.val() - 1;
        }
        if self.active_shown.q.val().any() {
            self.active_shown.d.next = self.active_shown.q.val() - 1;
        }
        if self.noise_shown.q.val().any() {
            self.noise_shown.d.next = self.noise_shown.q.val() - 1;
        }
        if self.traffic.val() {
            self.traffic_shown.d.next = self.full.val();
        }
        self.active_seen.d.next = self.active.val();
        if self.active_seen.q.val() {
            self.active_shown.d.next = self.full.val();
        }
        if self.noise.val() {
            self.noise_shown.d.next = self.full.val();
        }
        self.beat_mark.next = 0.into();
        if self.beat.q.val().get_bit(25) {
            self.beat_mark.next = 1.into();
        }
        self.session_mark.next = 0.into();
        if self.session.val() {
            self.session_mark.next = 2.into();
        }
        self.traffic_mark.next = 0.into();
        if self.traffic_shown.q.val().any() {
            self.traffic_mark.next = 4.into();
        }
        self.active_mark.next = 0.into();
        if self.active_shown.q.val().any() {
            self.active_mark.next = 8.into();
        }
        self.error_mark.next = 0.into();
        if self.error.val() {
            self.error_mark.next = 16.into();
        }
        self.noise_mark.next = 0.into();
        if self.noise_shown.q.val().any() {
            self.noise_mark.next = 32.into();
        }
        self.reset_mark.next = 0.into();
        if self.reset.val() {
            self.reset_mark.next = 128.into();
        }
        self.shown.d.next = self.beat_mark.val()
            | self.session_mark.val()
            | self.traffic_mark.val()
            | self.active_mark.val()
            | self.error_mark.val()
            | self.noise_mark.val()
            | self.reset_mark.val();
        self.led.next = self.shown.q.val();
    }
}
