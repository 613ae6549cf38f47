//! From what is known at run time to kernels made for it.

use crate::cpu::step::Format;

/// No scales.
pub const PLAIN: u8 = 0;
/// Scales that keep all values within -127..=127.
pub const SCALED: u8 = 1;
/// Scales that may not.
pub const BOUNDED: u8 = 2;

/// What the scales of a format ask of a kernel.
pub const fn scale(format: &Format) -> u8 {
    match (format.group, format.saturates) {
        (0, _) => PLAIN,
        (_, false) => SCALED,
        (_, true) => BOUNDED,
    }
}

/// Calls `$function::<BITS, SPARSE, SCALE>` for the format of `$panel`.
macro_rules! by_format {
    ($panel:expr, $function:ident, $arguments:tt) => {{
        let format = $panel.format;
        by_format!(@sparse format, $crate::cpu::kernel::dispatch::scale(&format), $function, $arguments)
    }};
    (@sparse $format:expr, $scale:expr, $function:ident, $arguments:tt) => {
        match ($format.sparse, $scale) {
            (false, 0) => by_format!(@bits $format, false, 0, $function, $arguments),
            (false, 1) => by_format!(@bits $format, false, 1, $function, $arguments),
            (false, _) => by_format!(@bits $format, false, 2, $function, $arguments),
            (true, 0) => by_format!(@bits $format, true, 0, $function, $arguments),
            (true, 1) => by_format!(@bits $format, true, 1, $function, $arguments),
            (true, _) => by_format!(@bits $format, true, 2, $function, $arguments),
        }
    };
    (@bits $format:expr, $sparse:literal, $scale:literal, $function:ident, $arguments:tt) => {
        by_format!(@each $format, $sparse, $scale, $function, $arguments, 2 3 4 5 6 7 8)
    };
    (@each $format:expr, $sparse:literal, $scale:literal, $function:ident, $arguments:tt,
     $($bits:literal)*) => {
        match $format.bits {
            // SAFETY: the caller's promise.
            $($bits => unsafe { $function::<$bits, $sparse, $scale> $arguments },)*
            bits => unreachable!("codes of {bits} bits"),
        }
    };
}

/// Calls `$kernel::<rows, SPARSE>` for a number of rows that is known at run time only.
macro_rules! by_rows {
    ($kernel:ident, $sparse:literal, $arguments:tt, $rows:expr, $($count:literal)*) => {
        match $rows {
            // SAFETY: the caller's promise.
            $($count => unsafe { $kernel::<$count, $sparse> $arguments },)*
            _ => unreachable!("more rows than the kernel takes"),
        }
    };
}

pub(super) use {by_format, by_rows};
