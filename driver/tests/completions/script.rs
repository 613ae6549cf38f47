//! Scripts: bytes that say what happens.

/// A step of a script.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A program of this many commands is submitted.
    Submit(usize),
    /// The driver looks.
    Poll,
    /// The card completes the oldest program that it has not.
    Complete {
        status: u16,
        command: u16,
        /// It could not read its submission.
        unread: bool,
    },
    /// The entry that the driver looks at next becomes the completion of the oldest program.
    Repair,
    /// A value is added to a word of the entry that the driver looks at next.
    Add {
        /// 0 to 7.
        word: usize,
        value: u32,
    },
    /// A bit of the entry that the driver looks at next changes.
    Flip(u8),
    /// An entry is written over: how far before the one that the driver looks at next, and with
    /// what.
    Put(u32, [u32; 8]),
}

/// Bytes as steps; what is missing at the end is zero.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn byte(&mut self) -> u8 {
        match *self.0 {
            [first, ref rest @ ..] => {
                self.0 = rest;
                first
            }
            [] => 0,
        }
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([(); 4].map(|()| self.byte()))
    }

    /// The next step, while there are bytes.
    pub fn step(&mut self) -> Option<Step> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.byte() % 8 {
            0 => Step::Submit(1 + usize::from(self.byte() % 3)),
            1 => Step::Poll,
            2 => Step::Repair,
            3 => Step::Complete {
                status: 0,
                command: 0,
                unread: false,
            },
            4 => {
                let (status, command) = (self.byte().into(), self.byte());
                Step::Complete {
                    status,
                    command: (command & 0x7f).into(),
                    unread: command & 0x80 != 0,
                }
            }
            5 => {
                let place = self.byte();
                let value = i32::from(self.byte() as i8) as u32;
                Step::Add {
                    word: usize::from(place % 8),
                    value: value << (place & 8) << (place & 8),
                }
            }
            6 => Step::Flip(self.byte()),
            _ => Step::Put(self.byte().into(), [(); 8].map(|()| self.word())),
        })
    }
}

/// A script by chance: mostly good programs and good completions, now and then something else.
pub fn random(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as u8
    };
    let mut script = vec![next()];
    let calm = 6 + next() % 26;
    for _ in 0..next() {
        let odd = match next() % calm {
            0 => vec![4, next() % 24, next() & 0x83],
            1 => vec![5, next(), next()],
            // Nearly the right tag, nearly the right head.
            2 => vec![5, 10 * (next() % 2), next() % 8],
            3 => vec![6, next()],
            4 => std::iter::once(7)
                .chain(std::iter::repeat_with(&mut next).take(33))
                .collect(),
            turn if turn % 2 == 0 => {
                script.extend([0, next()]);
                continue;
            }
            _ => {
                script.extend([3, 1]);
                continue;
            }
        };
        script.extend(odd);
        script.extend([1, 1]);
        if next() % 16 > 0 {
            script.extend([2, 1]);
        }
    }
    script
}
