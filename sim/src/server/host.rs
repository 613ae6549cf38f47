//! What the kernel's vfio-pci does to a function for who uses it.

use isa::pci;
use pcie::config_space::registers as at;

use crate::function::{Function, FunctionError, INTERRUPT_WINDOW};

/// Registers that a reset changes and that the kernel brings back, besides Command.
const KEPT: [(u16, usize); 5] = [
    (at::BAR, 24),
    // Cache line size, interrupt line.
    (0x0c, 1),
    (0x3c, 1),
    (at::DEVICE_CONTROL, 2),
    (at::DEVICE_CONTROL_2, 2),
];

fn read16(function: &mut dyn Function, offset: u16) -> u16 {
    let mut data = [0; 2];
    function.config_read(offset, &mut data);
    u16::from_le_bytes(data)
}

fn write16(function: &mut dyn Function, offset: u16, value: u16) {
    function.config_write(offset, &value.to_le_bytes());
}

/// Vectors of MSI-X.
pub fn vectors(function: &mut dyn Function) -> u32 {
    u32::from(read16(function, at::MSIX_CONTROL) & 0x7ff) + 1
}

/// Makes the windows answer.
pub fn enable(function: &mut dyn Function) {
    let command = read16(function, at::COMMAND) | at::COMMAND_MEMORY | at::COMMAND_INTX_DISABLE;
    write16(function, at::COMMAND, command);
}

/// Whether a write to the configuration space asks for a function-level reset.
pub fn asks_for_reset(offset: u64, data: &[u8]) -> bool {
    let [_, bit] = at::DEVICE_CONTROL_RESET.to_le_bytes();
    let place = u64::from(at::DEVICE_CONTROL) + 1;
    let byte = place
        .checked_sub(offset)
        .and_then(|index| data.get(index as usize));
    byte.is_some_and(|byte| byte & bit != 0)
}

/// Lets `reset` reset the function, and brings the settings of the configuration space back, all
/// but those of MSI-X.
///
/// # Errors
/// Those of `reset`.
pub fn reset_with(
    function: &mut dyn Function,
    reset: impl FnOnce(&mut dyn Function) -> Result<(), FunctionError>,
) -> Result<(), FunctionError> {
    let command = read16(function, at::COMMAND);
    let kept = KEPT.map(|(offset, len)| {
        let mut data = vec![0; len];
        function.config_read(offset, &mut data);
        (offset, data)
    });
    reset(function)?;
    for (offset, data) in kept {
        function.config_write(offset, &data);
    }
    write16(function, at::COMMAND, command);
    Ok(())
}

/// Switches MSI-X on or off.
pub fn switch_vectors(function: &mut dyn Function, on: bool) {
    let control = read16(function, at::MSIX_CONTROL) & !(at::MSIX_ENABLE | at::MSIX_MASK_ALL);
    let bit = if on { at::MSIX_ENABLE } else { 0 };
    write16(function, at::MSIX_CONTROL, control | bit);
}

/// Writes the table's entry of a vector: a message with its number, masked or not.
///
/// # Errors
/// Those of [`Function::bar_write`].
pub fn set_vector(
    function: &mut dyn Function,
    vector: u32,
    masked: bool,
) -> Result<(), FunctionError> {
    // The table lies in a window, which has to answer for this.
    let command = read16(function, at::COMMAND);
    write16(function, at::COMMAND, command | at::COMMAND_MEMORY);
    let [low, high] =
        [INTERRUPT_WINDOW.start, INTERRUPT_WINDOW.start >> 32].map(|half| half as u32);
    let entry = u64::from(pci::MSIX_TABLE) + 16 * u64::from(vector);
    let words = [low, high, vector, u32::from(masked)];
    let done = (entry..)
        .step_by(4)
        .zip(words)
        .try_for_each(|(offset, word)| {
            function.bar_write(pci::REGISTER_BAR, offset, &word.to_le_bytes())
        });
    write16(function, at::COMMAND, command);
    done
}
