//! What a build may leave out, for machines that are short of flash: `make lib WITHOUT="windows dispatch"`.
//!
//! A part that is not there is refused at one door, with a status that there is anyway, and what lies behind it is
//! then code that nothing reaches. Functions of the C face that belong to a part alone are not there at all, so that
//! the linker names them. What is planned does not change by a byte.

/// Several load windows: `UnsupportedWindows`.
pub const WINDOWS: bool = !cfg!(without = "windows");
/// Plans from a placement in force, what must be survived, the nearest replica: `UnsupportedPrevious`,
/// `UnsupportedFlag`, `UnsupportedSplit`, `UnsupportedCost` for plans where active experts cost time; no
/// `eplb_transfers`, no `eplb_gate`.
pub const PREVIOUS: bool = !cfg!(without = "previous");
/// Tokens over replicas, and seconds: `UnsupportedFlag` for `EPLB_FLAG_DISPATCH`, `UnsupportedCost` for any cost; no
/// `eplb_dispatch`.
pub const DISPATCH: bool = !cfg!(without = "dispatch");
/// The compatibility policies: `UnsupportedPolicy`.
pub const COMPAT: bool = !cfg!(without = "compat");
// "load": the tracker, window weights and forecasts; "explain": why a call is refused. The C face alone knows whether
// they are there.
