//! A function of the C face: its arguments, how they are checked, what it does, and what an explanation adds.

use crate::explain::text::{Text, say};
use crate::ffi::memory::{Deaf, Listen, Memory};
use crate::status::Status;
use core::ffi::c_char;

/// The arguments of a function.
///
/// # Safety
/// The methods ask what the C function asks: pointers are NULL or point to as much memory as the docs say, for `'a`.
/// `run` and `explain` take what `check` has made of the same arguments.
pub(crate) trait Function {
    /// What checking makes of them.
    type Checked<'a>;
    /// Whether checking and doing each get a frame of their own: neither is then on the stack beneath the other. It
    /// costs what holding their result costs, more than it saves where both are small.
    const DEEP: bool = false;

    /// Checks the arguments.
    unsafe fn check<'a, H: Listen>(
        &self,
        memory: &mut Memory<H>,
    ) -> Result<Self::Checked<'a>, Status>;

    /// Does what the function is for.
    unsafe fn run(&self, checked: &mut Self::Checked<'_>) -> Result<(), Status>;

    /// Finds out what `run` would answer, and says why. Writes nothing but the workspace.
    unsafe fn explain(
        &self,
        checked: &mut Self::Checked<'_>,
        text: &mut Text,
    ) -> Result<(), Status>;
}

/// A function of the C face, a struct of its arguments, and the function that explains such a call. The header is made
/// from what stands here (tests/common/header.rs reads it), so docs are for the C reader.
macro_rules! function {
    (
        $(#[$docs:meta])*
        pub unsafe extern "C" fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> i32;
        $call:ident, $explain:ident
    ) => {
        $(#[$docs])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> i32 {
            // SAFETY: the caller's promise, passed on.
            unsafe { $crate::ffi::function::run(&$call { $($argument),* }) }
        }

        /// Explains a call of the function of that name: see eplb_explain.
        #[cfg(not(without = "explain"))]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $explain(
            $($argument: $type,)*
            text: *mut core::ffi::c_char,
            size: usize,
        ) -> usize {
            // SAFETY: the caller's promise, passed on.
            unsafe { $crate::ffi::function::explain(&$call { $($argument),* }, text, size) }
        }

        /// The arguments.
        #[derive(Clone, Copy)]
        pub(crate) struct $call {
            $($argument: $type),*
        }
    };
}
pub(crate) use function;

/// Runs the body of a function and turns its result into a code.
pub fn answer(body: impl FnOnce() -> Result<(), Status>) -> i32 {
    body().err().unwrap_or(Status::Ok).code()
}

/// Checks and does.
///
/// # Safety
/// As [`Function`] says.
pub(crate) unsafe fn run<F: Function>(call: &F) -> i32 {
    // SAFETY: passed on.
    answer(|| unsafe {
        let mut checked =
            if F::DEEP { unheard(call) } else { call.check(&mut Memory::<Deaf>::default()) };
        call.run(checked.as_mut().map_err(|status| *status)?)
    })
}

/// By reference: a copy would be on the stack beside it.
pub fn by_ref<T>(result: &Result<T, Status>) -> Result<&T, Status> {
    result.as_ref().map_err(|status| *status)
}

/// Checks, in a frame of its own.
///
/// # Safety
/// As [`Function`] says.
#[inline(never)]
unsafe fn unheard<'a, F: Function>(call: &F) -> Result<F::Checked<'a>, Status> {
    // SAFETY: passed on.
    unsafe { call.check(&mut Memory::<Deaf>::default()) }
}

/// Who keeps what is said.
#[derive(Default)]
pub struct Heard {
    pub text: Text,
}

impl Listen for Heard {
    type Name = &'static str;

    fn keep(name: &'static str) -> &'static str {
        name
    }

    fn name(kept: &'static str) -> &'static str {
        kept
    }

    fn hear(&mut self, say: impl FnOnce(&mut Text)) {
        say(&mut self.text);
    }
}

/// Checks and says why that, or what would come of it, is refused.
///
/// # Safety
/// As [`Function`] says; `to` is NULL or points to `size` writable bytes.
pub(crate) unsafe fn explain<F: Function>(call: &F, to: *mut c_char, size: usize) -> usize {
    let mut memory = Memory::<Heard>::default();
    // SAFETY: passed on.
    unsafe {
        let checked = call.check(&mut memory);
        let found =
            checked.and_then(|mut checked| call.explain(&mut checked, &mut memory.listener.text));
        tell(&mut memory.listener.text, found, to, size)
    }
}

/// Ends a sentence and writes it, as much as fits and a NUL, where there is room; answers how long all of it is.
///
/// # Safety
/// `to` is NULL or points to `size` writable bytes.
pub unsafe fn tell(
    text: &mut Text,
    found: Result<(), Status>,
    to: *mut c_char,
    size: usize,
) -> usize {
    if found.is_ok() {
        say!(text; "nothing is wrong with it");
    }
    text.finish(found.err().unwrap_or(Status::Ok));
    let sentence = text.as_bytes();
    if !to.is_null() && size > 0 {
        let fits = sentence.len().min(size - 1);
        // SAFETY: at most `size` bytes, of which the last is the NUL; `sentence` is ours.
        unsafe {
            to.cast::<u8>().copy_from_nonoverlapping(sentence.as_ptr(), fits);
            to.add(fits).write(0);
        }
    }
    sentence.len()
}
