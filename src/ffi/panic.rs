//! The panic handler of the standalone archives. No panic is reachable, so it is never called: a
//! build with `--cfg panic_trap` calls a symbol that does not exist instead, and links all the same.

#[cfg(panic_trap)]
unsafe extern "C" {
    fn eplb_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    #[cfg(panic_trap)]
    // SAFETY: never linked, hence never called.
    unsafe {
        eplb_panic_is_reachable()
    }
    #[cfg(not(panic_trap))]
    loop {
        core::hint::spin_loop();
    }
}
