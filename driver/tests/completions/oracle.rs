//! What the driver must make of a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use isa::command::{Command, Load, Operation};
use isa::error::ErrorCode;
use isa::queue::{COMPLETION_WORDS, Completion};
use systole::queue::{Finished, QueueError};

use super::null::Bench;
use super::script::{Reader, Step};

/// A program that was submitted.
struct Pending {
    tag: u64,
    commands: usize,
    /// Submissions up to this one and with it.
    index: u64,
}

/// The rings as they must be, by the book: entries are taken in order, each once.
struct Oracle {
    bench: Bench,
    entries: u64,
    submitted: u64,
    /// Programs that the card has completed.
    completed: u64,
    taken: u64,
    pending: VecDeque<Pending>,
}

/// Runs a script and counts the complaints; `""` counts what was taken.
pub fn run(script: &[u8], outcomes: &mut BTreeMap<&'static str, u64>) {
    let mut reader = Reader(script);
    let log2 = 1 + u32::from(reader.byte() % 4);
    let mut oracle = Oracle {
        bench: Bench::new(log2),
        entries: 1 << log2,
        submitted: 0,
        completed: 0,
        taken: 0,
        pending: VecDeque::new(),
    };
    while let Some(step) = reader.step() {
        if let Some(what) = oracle.step(step) {
            *outcomes.entry(what).or_default() += 1;
        }
    }
}

impl Oracle {
    fn step(&mut self, step: Step) -> Option<&'static str> {
        match step {
            Step::Submit(commands) => self.submit(commands),
            Step::Poll => return self.poll(),
            Step::Complete {
                status,
                command,
                unread,
            } => {
                let ahead = self.completed.saturating_sub(self.taken) as usize;
                self.complete(ahead, status, command, unread);
            }
            Step::Repair => self.complete(0, 0, 0, false),
            Step::Add { word, value } => {
                let mut words = self.entry(self.taken);
                words[word] = words[word].wrapping_add(value);
                self.put(self.taken, &words);
            }
            Step::Flip(bit) => {
                let mut words = self.entry(self.taken);
                words[usize::from(bit / 32)] ^= 1 << (bit % 32);
                self.put(self.taken, &words);
            }
            Step::Put(back, words) => self.put(self.taken + u64::from(back), &words),
        }
        None
    }

    /// Word of the ring at which the entry with this number begins.
    fn first_word(&self, number: u64) -> usize {
        (number % self.entries) as usize * COMPLETION_WORDS
    }

    fn entry(&self, number: u64) -> [u32; COMPLETION_WORDS] {
        let mut words = [0; COMPLETION_WORDS];
        let first = self.first_word(number);
        self.bench.completions.load_all(first, &mut words);
        words
    }

    fn put(&self, number: u64, words: &[u32; COMPLETION_WORDS]) {
        let first = self.first_word(number);
        self.bench.completions.store_all(first, words);
    }

    /// Phase of the entry with this number: 1 in the first lap.
    fn phase(&self, number: u64) -> u8 {
        u8::from((number / self.entries).is_multiple_of(2))
    }

    fn submit(&mut self, commands: usize) {
        let load = Command::new(Operation::Load(Load::default()));
        let program: Arc<[Command]> = vec![load; commands].into();
        let Bench {
            queue, transport, ..
        } = &mut self.bench;
        let tag = queue.submit(transport, 0x1000, program);
        if self.pending.len() as u64 == self.entries - 1 {
            assert!(matches!(tag, Err(QueueError::Full)), "{tag:?}");
            return;
        }
        let tag = tag.expect("there is room");
        let newest = self.pending.back().map(|pending| pending.tag);
        assert!(newest.is_none_or(|newest| newest < tag));
        self.submitted += 1;
        self.pending.push_back(Pending {
            tag,
            commands,
            index: self.submitted,
        });
    }

    /// Lays out the completion of the program that is `ahead` behind the oldest.
    fn complete(&mut self, ahead: usize, status: u16, command: u16, unread: bool) {
        let Some(pending) = self.pending.get(ahead) else {
            return;
        };
        let number = self.taken + ahead as u64;
        let entry = Completion {
            tag: if unread { 0 } else { pending.tag },
            status,
            head: (pending.index % self.entries) as u16,
            command,
            cycles: 7,
            phase: self.phase(number),
        };
        self.put(number, &entry.encode());
        self.completed = self.completed.max(number + 1);
    }

    /// What must come of the entry that the driver looks at next: whether the program succeeded,
    /// and which command failed.
    fn verdict(&self, words: &[u32; COMPLETION_WORDS]) -> Option<(ErrorCode, u16)> {
        let pending = self.pending.front()?;
        let entry = Completion::from_words(words);
        // What a decoder drops must have been zero.
        if entry.encode() != *words {
            return None;
        }
        let cause = ErrorCode::from_code(entry.status)?;
        // What the card could not even read has no tag.
        let unread = entry.tag == 0
            && (11..=19).contains(&entry.status)
            && ![12, 13, 14].contains(&entry.status);
        let most = match cause {
            ErrorCode::Success | ErrorCode::BadSubmission => 1,
            _ if unread => 1,
            _ => pending.commands,
        };
        let fits = (entry.tag == pending.tag || unread)
            && u64::from(entry.head) == pending.index % self.entries
            && usize::from(entry.command) < most;
        fits.then_some((cause, entry.command))
    }

    fn poll(&mut self) -> Option<&'static str> {
        let words = self.entry(self.taken);
        let Bench {
            queue, transport, ..
        } = &mut self.bench;
        let outstanding = queue.outstanding();
        let polled = queue.poll(transport);
        let is_new = words[COMPLETION_WORDS - 1] & 1 == u32::from(self.phase(self.taken));
        let verdict = self.verdict(&words).filter(|_| is_new);
        let Some((cause, index)) = verdict else {
            assert_eq!(self.bench.queue.outstanding(), outstanding);
            return match polled {
                Ok(None) => {
                    assert!(!is_new, "{words:08x?} was not seen");
                    None
                }
                Err(QueueError::BadCompletion { what, words: named }) => {
                    assert!(is_new && named == words);
                    Some(what)
                }
                other => panic!("{words:08x?} gave {other:?}"),
            };
        };
        let Ok(Some(Finished { tag, result, .. })) = polled else {
            panic!("{words:08x?} gave {polled:?}");
        };
        let pending = self.pending.pop_front().expect("the verdict was on it");
        assert_eq!(tag, pending.tag);
        match result {
            Ok(()) => assert_eq!(cause, ErrorCode::Success),
            Err(error) => {
                assert_eq!((error.cause, error.index), (cause, index));
                let is_submission = cause == ErrorCode::BadSubmission || words[..2] == [0, 0];
                assert_eq!(error.command.is_none(), is_submission);
            }
        }
        self.taken += 1;
        self.completed = self.completed.max(self.taken);
        assert_eq!(self.bench.queue.outstanding(), self.pending.len());
        Some("")
    }
}
