//! The hooks of a map of sockets.

use crate::attach::hook_enum::hook_enum;

hook_enum! {
    /// What a program does for the sockets of a map.
    pub enum SockmapHook: Sockmap {
        /// Where a message in the received stream ends.
        SkbStreamParser = SkSkbStreamParser,
        /// Where a received message goes. Not together with [`SkbVerdict`](Self::SkbVerdict).
        SkbStreamVerdict = SkSkbStreamVerdict,
        /// Where a received packet goes. Not together with
        /// [`SkbStreamVerdict`](Self::SkbStreamVerdict).
        SkbVerdict = SkSkbVerdict,
        /// Where a sent message goes.
        MsgVerdict = SkMsgVerdict,
    }
}

impl SockmapHook {
    /// The slot that takes one program. The two sorts of verdict exclude each other, and count as
    /// one.
    pub(super) fn exclusive(self) -> Self {
        match self {
            Self::SkbVerdict => Self::SkbStreamVerdict,
            slot => slot,
        }
    }
}
