//! What errors are made of: the command that failed, and what the system answered.

use bpf_link::CommandError;

use super::Error;

impl Error {
    /// The kernel's error number, wherever the kernel was asked; `None` where it was not.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoEventSource { source, .. }
            | Self::CreateDirectory { source, .. }
            | Self::File { source, .. } => source.raw_os_error(),
            Self::NoSuchTracepoint { source, .. }
            | Self::LockedDown { source }
            | Self::EventLookup { source, .. }
            | Self::OldProgramPutBack { source, .. }
            | Self::OldProgramLost { source, .. }
            | Self::OldLinkHeld { source, .. } => source.errno(),
            Self::SetNotApplied(failure) => failure.source.errno(),
            _ => self.command_error().and_then(CommandError::errno),
        }
    }

    /// The command that failed, on what and why; `None` where no command on links failed.
    #[must_use]
    pub fn command_error(&self) -> Option<&CommandError> {
        match self {
            Self::Link(error) => error.command_error(),
            Self::NoSuchInterface { source, .. }
            | Self::HookTaken { source, .. }
            | Self::PriorityTaken { source, .. }
            | Self::AlreadyAttached(source)
            | Self::AnchorNotOnHook(source)
            | Self::NoWayBack(source)
            | Self::AttachTypeMismatch { source, .. }
            | Self::ProgramRefused { source, .. }
            | Self::NotACgroup { source, .. }
            | Self::SearchDenied { source, .. }
            | Self::SymbolNotFound { source, .. }
            | Self::InsideInstruction { source, .. }
            | Self::NotToBeProbed { source, .. }
            | Self::AddressNotTraceable { source, .. }
            | Self::InstructionNotProbed { source, .. }
            | Self::ReadsBeyondRecord { source, .. }
            | Self::EventNotCounted { source, .. }
            | Self::ProcessorOffline { source, .. } => source.command_error(),
            Self::AmbiguousSymbol { source, .. } => source.as_ref()?.command_error(),
            Self::NoSuchTracepoint { source, .. }
            | Self::LockedDown { source }
            | Self::EventLookup { source, .. }
            | Self::OldProgramPutBack { source, .. }
            | Self::OldProgramLost { source, .. }
            | Self::OldLinkHeld { source, .. } => source.command_error(),
            Self::SetNotApplied(failure) => failure.source.command_error(),
            Self::WrongKind { .. }
            | Self::LoadedForAnotherKind { .. }
            | Self::ShortInfo { .. }
            | Self::TracepointName { .. }
            | Self::KernelFunction(_)
            | Self::BeyondFunction { .. }
            | Self::SampleRate(_)
            | Self::NotACounter(_)
            | Self::PinTaken { .. }
            | Self::OursFound { .. }
            | Self::ExpectedRevision { .. }
            | Self::TemporaryName { .. }
            | Self::Overtaken { .. }
            | Self::SetName { .. }
            | Self::NameInSet { .. }
            | Self::NotInSet { .. }
            | Self::SameHook { .. }
            | Self::RootOfBpffs { .. }
            | Self::CreateDirectory { .. }
            | Self::NoEventSource { .. }
            | Self::NoSuchBtfFunction { .. }
            | Self::AmbiguousBtfFunction { .. }
            | Self::File { .. } => None,
            #[cfg(feature = "elf")]
            Self::Binary { .. } | Self::NoSuchBinary { .. } => None,
        }
    }
}

impl From<bpf_link::Error> for Error {
    fn from(error: bpf_link::Error) -> Self {
        Self::Link(error)
    }
}

impl std::error::Error for Error {
    /// What the system answered, or why something else was done after all. The command and what it
    /// was done to are in the message already.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoEventSource { source, .. }
            | Self::CreateDirectory { source, .. }
            | Self::File { source, .. } => Some(source),
            // The message names the tracepoint, as every step on the way to it does.
            Self::NoSuchTracepoint { source, .. } => source.source(),
            Self::LockedDown { source }
            | Self::EventLookup { source, .. }
            | Self::OldProgramPutBack { source, .. }
            | Self::OldProgramLost { source, .. }
            | Self::OldLinkHeld { source, .. } => Some(source),
            Self::SetNotApplied(failure) => Some(&failure.source),
            _ => self.command_error().and_then(std::error::Error::source),
        }
    }
}
