//! Panics of a library, told as errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside [`caught`], where a panic is an answer.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; where it panics, nothing is printed and its message is the error.
///
/// Panics of other threads are printed as ever. What `work` borrows may be left half changed, so
/// it must be of a kind that then fails again at worst.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // One hook for good: threads that changed it back and forth would overtake each other.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                before(info);
            }
        }));
    });
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(outer);
    result.map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it does not say why".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_other_panics_stay_panics() {
        let index = 7;
        assert_eq!(caught(|| index + 1), Ok(8));
        assert_eq!(caught(|| -> u8 { panic!("fixed") }), Err("fixed".into()));
        assert_eq!(
            caught(|| -> u8 { panic!("number {index}") }),
            Err("number 7".into())
        );
        let nested = caught(|| {
            let inner = caught(|| -> u8 { panic!("inner") });
            (inner, INSIDE.get())
        });
        assert_eq!(nested, Ok((Err("inner".into()), true)));
        assert!(!INSIDE.get());
        assert!(panic::catch_unwind(|| panic!("seen")).is_err());
    }
}
