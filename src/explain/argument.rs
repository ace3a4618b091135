//! Pointers, structs and sizes: what is refused before anything behind them is looked at.

use crate::explain::text::Text;
use crate::status::Status;

/// What a check has found, where its status does not say all.
#[derive(Clone, Copy, Debug, Default)]
pub enum Fault {
    /// The status says all.
    #[default]
    Nothing,
    /// A pointer is no multiple of this.
    Alignment(usize),
    /// struct_size is below the first release's, or absurd, or there is a byte set that this library does not know.
    Struct { given: usize, first: usize, unknown: Option<usize>, init: &'static str },
    /// A size beside a pointer is below the first release's, or no multiple of 8, or absurd.
    Stride { given: usize, first: usize },
    /// A row of an array has a byte set that this library does not know.
    Row { row: usize, at: usize },
    /// A block is too small.
    Bytes { given: usize, needed: usize },
    /// Two arrays share bytes.
    Overlap(&'static str, &'static str),
}

/// Says what is wrong with the argument `name`.
pub fn say(text: &mut Text, name: &'static str, fault: Fault, status: Status) {
    let word = name.into();
    match (status, fault) {
        (Status::NullPointer, _) => {
            text.say("% is NULL: pass what it is to point to", &[word]);
        }
        (Status::MisalignedPointer, Fault::Alignment(align)) => {
            text.say("% is at no multiple of % bytes: align it for its type", &[word, align.into()]);
        }
        (Status::StructSize, fault) => say_size(text, name, fault),
        (Status::ReservedNotZero, _) => {
            text.say("% is not 0: start from the EPLB_*_INIT macro of the struct", &[word]);
        }
        (Status::OverlappingArrays, Fault::Overlap(one, other)) => text.say(
            "% overlaps %: what is written needs memory of its own",
            &[one.into(), other.into()],
        ),
        (Status::WorkspaceMisaligned, _) => text.say(
            "workspace is at no multiple of 8 bytes: align it as eplb_workspace says",
            &[],
        ),
        (Status::WorkspaceTooSmall, Fault::Bytes { given, needed }) => text.say(
            "workspace_size is %, this call needs %: ask eplb_workspace for this operation, problem \
             and options",
            &[given.into(), needed.into()],
        ),
        (Status::TrackerTooSmall, Fault::Bytes { given, needed }) => text.say(
            "memory_size is %, the load tracker takes %: ask eplb_tracker_size",
            &[given.into(), needed.into()],
        ),
        (Status::ShapeTooLarge, _) => text.say(
            "% does not fit the address space: make the sizes that it depends on smaller",
            &[word],
        ),
        _ => {}
    }
}

fn say_size(text: &mut Text, name: &'static str, fault: Fault) {
    let name = name.into();
    match fault {
        Fault::Struct { given, unknown: Some(at), init, .. } => text.say(
            "%.struct_size is %, and byte % of it, which this library does not know, is not 0: \
             start from %, or leave the fields of newer versions at 0",
            &[name, given.into(), at.into(), init.into()],
        ),
        Fault::Struct { given, first, init, .. } => text.say(
            "%.struct_size is %, sizeof was % in the first release: start from %",
            &[name, given.into(), first.into(), init.into()],
        ),
        Fault::Stride { given, first } => text.say(
            "% is %: pass the sizeof of what it is the size of, which is % or more, a multiple of 8",
            &[name, given.into(), first.into()],
        ),
        Fault::Row { row, at } => text.say(
            "%[%] has byte % set, which this library does not know: leave the fields of newer \
             versions at 0",
            &[name, row.into(), at.into()],
        ),
        _ => {}
    }
}

/// Numbers of options that stand for something, as C gives them.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub policy: u32,
    pub scope: u32,
    pub flags: u32,
}

impl Numbers {
    /// Says which of them stands for nothing.
    pub fn say(&self, text: &mut Text, status: Status) {
        match status {
            Status::UnknownPolicy => text.say(
                "options.policy is %: use one of EPLB_POLICY_*, 0 to 7",
                &[self.policy.into()],
            ),
            Status::UnknownScope => text
                .say("options.scope is %: use one of EPLB_SCOPE_*, 0 to 2", &[self.scope.into()]),
            Status::UnknownFlag => {
                let known = crate::options::flags::Flags::ALL.into_iter();
                let known = known.fold(0, |known, (flag, _)| known | flag.bits());
                text.say(
                    "options.flags is %, in which % are no EPLB_FLAG_*: clear them",
                    &[self.flags.into(), (self.flags & !known).into()],
                );
            }
            _ => {}
        }
    }
}
